"""A fingerprint changes with the content, and costs a look, never a read."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data.storage import open_store
from tasks.providers.buckets import S3Access
from tasks.providers.fingerprints import MAX_FAILURES, fingerprint, fingerprints
from tasks.providers.sources import SourceLimits
from tests.fakes.processes import free_ports
from tests.fakes.s3_server import S3Server

LIMITS = SourceLimits(max_bytes=1, allow_private_hosts=True, timeout_seconds=5)
LONG_AGO = "Wed, 21 Oct 2015 07:28:00 GMT"


class Host(ThreadingHTTPServer):
    """Answers with the headers that a test sets for a path, and notes what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.headers: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []

    def url(self, path: str, **headers: str) -> str:
        self.headers[path] = {name.replace("_", "-"): value for name, value in headers.items()}
        return f"http://127.0.0.1:{self.server_port}{path}"


class Answer(BaseHTTPRequestHandler):
    server: Host

    def do_HEAD(self) -> None:
        self.server.asked.append(self.path)
        headers = self.server.headers.get(self.path)
        self.send_response_only(404 if headers is None else 302 if "Location" in headers else 200)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if "Date" not in (headers or {}):
            self.send_header("Date", self.date_time_string())
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_file_is_known_by_what_its_folder_says(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    before = fingerprint(str(path), LIMITS)

    assert before is not None
    assert fingerprint(str(path), LIMITS) == before
    status = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as `cp -p` and rsync do
    assert fingerprint(str(path), LIMITS) != before


def test_another_file_in_its_place_is_seen(tmp_path: Path) -> None:
    path, other = tmp_path / "a.mp4", tmp_path / "b.mp4"
    path.write_bytes(b"one")
    other.write_bytes(b"two")
    before = fingerprint(str(path), LIMITS)

    other.replace(path)

    assert fingerprint(str(path), LIMITS) != before


def test_what_is_no_file_has_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert fingerprints([str(tmp_path), f"{tmp_path}/pipe", f"{tmp_path}/missing", "/nul\0"], LIMITS) == dict.fromkeys(
        [str(tmp_path), f"{tmp_path}/pipe", f"{tmp_path}/missing", "/nul\0"]
    )


def test_an_upload_never_changes() -> None:
    assert fingerprint("upload:0f8c2d", LIMITS) == "upload:0f8c2d"


def test_many_files_are_looked_at_in_order(tmp_path: Path) -> None:
    sources = [f"{tmp_path}/{number}" for number in range(2000)]
    for source in sources:
        Path(source).touch()

    found = fingerprints([*sources, *sources], LIMITS)

    assert list(found) == sources
    assert len(set(found.values())) == len(sources)


def test_an_object_is_known_by_its_etag(s3: S3Server) -> None:
    store = open_store(s3.url, endpoint_url=s3.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key)
    access = S3Access((s3.bucket,), s3.endpoint_url, s3.access_key, s3.secret_key)
    limits = SourceLimits(max_bytes=1, s3=access)
    source = f"s3://{s3.bucket}/print.mp4"

    store.put_bytes(b"one", "print.mp4")
    one = fingerprint(source, limits)
    store.put_bytes(b"one", "print.mp4")
    same = fingerprint(source, limits)
    store.put_bytes(b"two", "print.mp4")

    assert one is not None
    assert one == same != fingerprint(source, limits)
    assert fingerprint("s3://private/a.mp4", limits) is None
    assert fingerprint(f"s3://{s3.bucket}/missing.mp4", limits) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"abc"'},
        {"Last_Modified": LONG_AGO, "Content_Length": "10"},
        {"ETag": 'W/"abc"', "Last_Modified": LONG_AGO, "Content_Length": "10"},
        {"Last_Modified": "Wed, 21 Oct 2015 07:28:00 -0000", "Content_Length": "10"},
    ],
)
def test_an_address_is_known_by_what_its_host_says(host: Host, headers: dict[str, str]) -> None:
    before = fingerprint(host.url("/a.mp4", **headers), LIMITS)

    assert before is not None
    assert fingerprint(host.url("/a.mp4", **headers), LIMITS) == before
    changed = {name: value.replace("abc", "abd").replace("07:28", "07:29") for name, value in headers.items()}
    assert fingerprint(host.url("/a.mp4", **changed), LIMITS) != before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": 'W/"abc"'},
        {"Last_Modified": LONG_AGO},
        {"Last_Modified": "yesterday", "Content_Length": "10"},
        {"Last_Modified": LONG_AGO, "Content_Length": "10", "Date": "Wed, 21 Oct 2015 07:28:01 GMT"},
    ],
)
def test_what_a_host_says_too_little_of_has_none(host: Host, headers: dict[str, str]) -> None:
    assert fingerprint(host.url("/a.mp4", **headers), LIMITS) is None


def test_redirects_are_followed_and_what_is_missing_has_none(host: Host) -> None:
    host.url("/b.mp4", ETag='"b"')

    assert fingerprint(host.url("/a.mp4", Location="/b.mp4"), LIMITS) is not None
    assert fingerprint(f"http://127.0.0.1:{host.server_port}/missing.mp4", LIMITS) is None


def test_private_hosts_are_not_asked(host: Host) -> None:
    source = host.url("/a.mp4", ETag='"abc"')

    for address in (source, source.replace("http://", "https://")):
        assert fingerprint(address, SourceLimits(max_bytes=1)) is None
    assert host.asked == []


def test_a_dead_host_does_not_hold_the_others_up(host: Host) -> None:
    dead = f"127.0.0.1:{free_ports(1)[0]}"
    sources = [f"http://{dead}/{number}.mp4" for number in range(50 * MAX_FAILURES)]
    alive = host.url("/a.mp4", ETag='"abc"')

    found = fingerprints([*sources, alive], LIMITS)

    assert found.pop(alive) is not None
    assert set(found.values()) == {None}
