"""``python -m flows upload``: hand a file in, with a bar."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from flows.cli.client import Api, ApiError, connected
from flows.cli.output import Json, console, print_json, say

app = App(name="upload", help="Hand a file in, and print what to give to a job as its source.")

CHUNK_BYTES = 1024 * 1024


@app.default
def upload(file: Annotated[Path, Parameter(help="The file.")], /, *, api: Api = "", as_json: Json = False) -> None:
    """Hand a file in, and print what to give to a job as its source."""
    if not file.is_file():
        raise ApiError(f"{file} is not a file.")
    size, boundary = file.stat().st_size, secrets.token_hex(16)
    name = file.name.replace('"', "").replace("\r", "").replace("\n", "")
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(head) + size + len(tail)),
    }
    columns = (TextColumn(file.name, markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with connected(api) as client, Progress(*columns, TimeRemainingColumn(), console=console, disable=as_json) as bars:
        bar = bars.add_task("", total=size)

        def body() -> Iterator[bytes]:
            yield head
            with file.open("rb") as source:
                while chunk := source.read(CHUNK_BYTES):
                    yield chunk
                    bars.advance(bar, len(chunk))
            yield tail

        kept = client.call("POST", "/uploads", content=body(), headers=headers)
    if as_json:
        print_json(kept)
    else:
        say(kept["source"])
