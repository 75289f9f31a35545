"""Registries on this machine: a folder of wheels for pip, an npm registry and a model hub over HTTP.

The real clients talk to them; nothing leaves the machine.
"""

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes]) -> Path:
    """Make a wheel that pip takes."""
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, data in files.items():
            wheel.writestr(member, data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def tar_gz(files: Mapping[str, bytes]) -> bytes:
    """Return a tar.gz of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member, data in files.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class FileServer:
    """Answers GET with bytes by path, and counts what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.gate = threading.Event()
        """While it is not set, a body stays half sent."""
        self.gate.set()
        files, asked, gate = self.files, self.asked, self.gate

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked[self.path] += 1
                body = files.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                half = len(body or b"") // 2
                self.wfile.write((body or b"")[:half])
                self.wfile.flush()
                gate.wait(60)
                try:
                    self.wfile.write((body or b"")[half:])
                except OSError:  # the client was killed, as some tests want
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator["FileServer"]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.gate.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def add_npm_package(self, name: str, version: str, files: Mapping[str, bytes]) -> None:
        """Serve a package as an npm registry does."""
        tarball = tar_gz(
            {
                "package/package.json": json.dumps({"name": name, "version": version}).encode(),
                **{f"package/{member}": data for member, data in files.items()},
            }
        )
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
        url = f"{self.url}/{name}/-/{name}-{version}.tgz"
        release = {"name": name, "version": version, "dist": {"tarball": url, "integrity": integrity}}
        document = {"name": name, "dist-tags": {"latest": version}, "versions": {version: release}}
        self.files[f"/{name}"] = json.dumps(document).encode()
        self.files[f"/{name}/-/{name}-{version}.tgz"] = tarball
