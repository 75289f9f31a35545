"""Fetch what a provider has made: streamed into a file that gets its name when it is whole and what it should be."""

from pathlib import Path
from typing import Any

import httpx

from data.domain.errors import DownloadFailedError
from data.domain.sniffing import Kind, is_cut_short, sniff
from tasks.providers.calls import ProviderCalls

_MOST_BYTES = 8 * 1024**3
"""More than any model makes: a stream without an end must not fill the disk."""


def download(calls: ProviderCalls, path: str, target: Path, kind: Kind, **parameters: Any) -> None:
    """Fetch a result into a new file.

    Args:
        calls: The way to the provider.
        path: Where it is, below the provider's address.
        target: The file to make; its parent is there.
        kind: What it has to be, by its bytes.
        parameters: The query of the address.

    Raises:
        DownloadFailedError: It came broken, came as something else, or not at all.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        _receive(calls, path, part, parameters)
        _refuse_unfit(calls.name, part, kind)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _receive(calls: ProviderCalls, path: str, part: Path, parameters: dict[str, Any]) -> None:
    try:
        with calls.stream(path, **parameters) as response:
            if response.status_code != 200:
                raise DownloadFailedError(
                    f"{calls.name} answered {response.status_code} when its result was fetched.",
                    {"status": response.status_code},
                )
            size = _write(response, part)
            promised = response.headers.get("content-length")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = calls.scrub(f"{type(error).__name__}: {error}").rstrip(". :")
        raise DownloadFailedError(f"The result of {calls.name} did not come whole: {said}.") from error
    if promised is not None and "content-encoding" not in response.headers and size != int(promised):
        raise DownloadFailedError(f"The result of {calls.name} has {size} bytes, not {promised}.", {"size_bytes": size})


def _write(response: httpx.Response, part: Path) -> int:
    size = 0
    with part.open("wb") as file:
        for piece in response.iter_bytes():
            size += len(piece)
            if size > _MOST_BYTES:
                raise DownloadFailedError(f"The result is larger than {_MOST_BYTES} bytes.")
            file.write(piece)
    return size


def _refuse_unfit(name: str, part: Path, kind: Kind) -> None:
    found = sniff(part)
    if found.kind is not kind:
        what = f"{found.kind} {found.format_name}".strip()
        raise DownloadFailedError(f"The result of {name} is no {kind}, but: {what}.", {"kind": found.kind})
    if is_cut_short(part, found.format_name):
        raise DownloadFailedError(f"The result of {name} ends before its own header says it does.")
