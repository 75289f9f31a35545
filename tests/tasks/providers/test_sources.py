"""Sources are only taken from where they are allowed to come from, and never in part."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data.domain.errors import (
    InputTooLargeError,
    SourceForbiddenError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from tasks.providers.sources import SourceLimits, display_name, fetch_source

BODY = os.urandom(300_000)


class Origin(BaseHTTPRequestHandler):
    """A host that answers well, badly, or breaks off, by path."""

    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/clip.mp4")
            self.end_headers()
        elif self.path == "/to-file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif self.path.startswith("/status/"):
            self.send_response(int(self.path.rsplit("/", 1)[1]))
            self.end_headers()
        else:
            self.send_response(200)
            if self.path != "/endless":
                self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY[: len(BODY) // 2] if self.path == "/broken" else BODY)

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def origin() -> Iterator[str]:
    with served(Origin) as address:
        yield address


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def limits(*roots: Path, max_bytes: int = 1_000_000, private: bool = True) -> SourceLimits:
    return SourceLimits(
        max_bytes=max_bytes, allowed_roots=roots, allow_private_hosts=private, timeout_seconds=5, max_seconds=60
    )


def test_a_local_source_is_copied_and_hashed(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(BODY)
    shares: list[float] = []

    fetched = fetch_source(str(tmp_path / "clip.mp4"), tmp_path / "copy", limits(tmp_path), shares.append)

    assert fetched.path.read_bytes() == BODY
    assert fetched.sha256 == hashlib.sha256(BODY).hexdigest()
    assert fetched.size_bytes == len(BODY)
    assert fetched.name == "clip.mp4"
    assert shares[-1] == 1.0


def test_a_path_outside_the_roots_is_refused(tmp_path: Path) -> None:
    root, other = tmp_path / "media", tmp_path / "other"
    root.mkdir()
    other.mkdir()
    (other / "secret.mp4").write_bytes(BODY)
    (root / "link.mp4").symlink_to(other / "secret.mp4")

    for source in (other / "secret.mp4", root / "link.mp4", root / ".." / "other" / "secret.mp4"):
        with pytest.raises(SourceForbiddenError):
            fetch_source(str(source), tmp_path / "copy", limits(root))


@pytest.mark.parametrize("source", ["clip.mp4", "../clip.mp4", "file:///etc/passwd", "s3+evil://x/y", "ftp://host/x"])
def test_what_is_neither_a_path_nor_a_web_address_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(SourceForbiddenError):
        fetch_source(source, tmp_path / "copy", limits(tmp_path))


def test_a_missing_file_and_a_pipe_are_told_apart_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(SourceNotFoundError):
        fetch_source(str(tmp_path / "missing.mp4"), tmp_path / "copy", limits(tmp_path))
    with pytest.raises(SourceForbiddenError):
        fetch_source(str(tmp_path / "pipe"), tmp_path / "copy", limits(tmp_path))


def test_a_source_larger_than_the_limit_is_refused(tmp_path: Path, origin: str) -> None:
    (tmp_path / "clip.mp4").write_bytes(BODY)

    for source in (str(tmp_path / "clip.mp4"), f"{origin}/clip.mp4", f"{origin}/endless"):
        with pytest.raises(InputTooLargeError):
            fetch_source(source, tmp_path / "copy", limits(tmp_path, max_bytes=1000))


def test_a_remote_source_is_fetched_through_redirects(tmp_path: Path, origin: str) -> None:
    fetched = fetch_source(f"{origin}/redirect", tmp_path / "copy", limits())

    assert fetched.path.read_bytes() == BODY
    assert fetched.name == "clip.mp4"


def test_a_remote_source_that_breaks_off_is_retryable(tmp_path: Path, origin: str) -> None:
    with pytest.raises(SourceUnavailableError):
        fetch_source(f"{origin}/broken", tmp_path / "copy", limits())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, SourceNotFoundError),
        (403, SourceForbiddenError),
        (500, SourceUnavailableError),
        (429, SourceUnavailableError),
    ],
)
def test_a_remote_answer_says_whether_a_retry_helps(
    tmp_path: Path, origin: str, status: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        fetch_source(f"{origin}/status/{status}", tmp_path / "copy", limits())


def test_nobody_listening_is_retryable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError):
        fetch_source("http://127.0.0.1:9/clip.mp4", tmp_path / "copy", limits())


def test_a_redirect_to_a_file_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(SourceForbiddenError):
        fetch_source(f"{origin}/to-file", tmp_path / "copy", limits())


def test_a_private_host_is_refused_before_any_request(tmp_path: Path, origin: str) -> None:
    secure = origin.replace("http://", "https://")

    with pytest.raises(SourceForbiddenError):
        fetch_source(f"{secure}/clip.mp4", tmp_path / "copy", limits(private=False))
    with pytest.raises(SourceForbiddenError):
        fetch_source(f"{origin}/clip.mp4", tmp_path / "copy", limits(private=False))


def test_a_display_name_has_nothing_that_a_terminal_obeys() -> None:
    assert display_name("a\x1b[31m\nb.mp4") == "a[31mb.mp4"
    assert display_name("\x00") == "video"
