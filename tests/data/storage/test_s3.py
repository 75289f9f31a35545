import asyncio
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from botocore.exceptions import EndpointConnectionError

from data.domain.errors import DiskFullError, PublicationConflictError, StoreUnavailableError
from data.storage.s3 import S3Store
from data.storage.s3_session import S3Session, translated
from data.storage.s3_transfers import PART_BYTES, Source, part_ranges, upload
from tests.fakes.cutting_proxy import CuttingProxy, cutting_proxy
from tests.fakes.processes import free_ports, wait_until
from tests.fakes.s3_server import S3Server


@pytest.fixture
def session(s3: S3Server) -> S3Session:
    return S3Session(s3.endpoint_url, s3.access_key, s3.secret_key)


@pytest.fixture
def store(s3: S3Server, session: S3Session) -> S3Store:
    return S3Store(session, s3.bucket, uuid4().hex)


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[CuttingProxy]:
    with cutting_proxy(int(s3.endpoint_url.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
def shaky_store(s3: S3Server, proxy: CuttingProxy) -> S3Store:
    shaky = S3Session(f"http://127.0.0.1:{proxy.port}", s3.access_key, s3.secret_key)
    return S3Store(shaky, s3.bucket, uuid4().hex)


def test_a_server_that_is_not_there_is_a_typed_retryable_error() -> None:
    store = S3Store(S3Session(f"http://127.0.0.1:{free_ports(1)[0]}", "a", "b"), "media")

    with pytest.raises(StoreUnavailableError) as caught:
        store.put_bytes(b"1", "key")
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, EndpointConnectionError)


def test_wrong_credentials_and_a_missing_bucket_are_typed_errors(s3: S3Server, session: S3Session) -> None:
    with pytest.raises(StoreUnavailableError):
        S3Store(S3Session(s3.endpoint_url, s3.access_key, "wrong"), s3.bucket).put_bytes(b"1", "key")
    with pytest.raises(StoreUnavailableError):
        list(S3Store(session, "no-such-bucket").list())


def test_stores_below_different_prefixes_do_not_see_each_other(s3: S3Server, session: S3Session) -> None:
    one, two = (S3Store(session, s3.bucket, uuid4().hex) for _ in range(2))
    one.put_bytes(b"1", "key")

    assert [stored.key for stored in one.list()] == ["key"]
    assert list(two.list()) == []


def test_a_file_that_becomes_shorter_while_it_is_stored_leaves_the_old_object(
    store: S3Store, session: S3Session, s3: S3Server, tmp_path: Path
) -> None:
    source = tmp_path / "short.mp4"
    source.write_bytes(b"x" * (2 * PART_BYTES))
    for size in (PART_BYTES, 3 * PART_BYTES):  # in one request, and in parts
        source_now = Source(size, source)
        store.put_bytes(b"old", "key")
        place = store._place("key")

        with pytest.raises(StoreUnavailableError):
            session.run("key", lambda fs, s=source_now, p=place: upload(fs, p, s, "video/mp4", asyncio.Semaphore(2)))
        assert store.get_bytes("key") == b"old"
    assert store.sweep_temporary(0) == 0


def test_a_killed_upload_leaves_no_object_and_its_parts_are_swept(store: S3Store, s3: S3Server, tmp_path: Path) -> None:
    source = tmp_path / "large.mp4"
    with source.open("wb") as file:
        file.truncate(400 * 1024 * 1024)
    base = store._base
    script = (
        "import sys; from pathlib import Path; from data.storage import open_store;"
        f"open_store({s3.url + '/' + base!r}, endpoint_url={s3.endpoint_url!r}, access_key={s3.access_key!r},"
        f" secret_key={s3.secret_key!r}).put_file(Path({str(source)!r}), 'key')"
    )
    writer = subprocess.Popen([sys.executable, "-c", script])
    try:
        wait_until(lambda: bool(uploads_below(store)) or writer.poll() is not None, 60, "an upload in parts begins")
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()

    assert writer.returncode == -signal.SIGKILL, "the upload was faster than the test"
    assert store.stat("key") is None
    assert list(store.list()) == []
    assert store.sweep_temporary(3600) == 0
    assert store.sweep_temporary(-60, "others/") == 0
    assert store.sweep_temporary(-60) == 1
    assert uploads_below(store) == []


def uploads_below(store: S3Store) -> list[object]:
    found = store._session.run(
        "uploads", lambda fs: fs._call_s3("list_multipart_uploads", Bucket=store._bucket, Prefix=store._base)
    )
    return list(found.get("Uploads") or [])


def test_a_swap_whose_answer_is_lost_is_still_a_success(shaky_store: S3Store, proxy: CuttingProxy) -> None:
    first = shaky_store.compare_and_swap("publication.json", b"1", None)
    proxy.cut_next_success_after(0)

    second = shaky_store.compare_and_swap("publication.json", b"2", first)

    assert proxy.cuts == 1
    assert shaky_store.get_versioned("publication.json") == (b"2", second)
    with pytest.raises(PublicationConflictError):
        shaky_store.compare_and_swap("publication.json", b"3", first)


def test_a_stream_goes_on_where_the_connection_broke(shaky_store: S3Store, proxy: CuttingProxy) -> None:
    content = os.urandom(3_000_000)
    shaky_store.put_bytes(content, "movie.mp4")
    stream = shaky_store.read_range("movie.mp4", 10)
    proxy.cut_next_success_after(1_500_000)

    assert b"".join(stream) == content[10:]
    assert proxy.cuts == 1


def test_a_fetch_survives_a_broken_connection(shaky_store: S3Store, proxy: CuttingProxy, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    shaky_store.put_bytes(content, "movie.mp4")
    proxy.cut_next_success_after(100_000)

    assert shaky_store.fetch("movie.mp4", tmp_path / "movie.mp4").read_bytes() == content
    assert proxy.cuts == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_makes_a_connection_of_its_own(store: S3Store) -> None:
    store.put_bytes(b"parent", "parent")

    def work() -> None:
        assert store.get_bytes("parent") == b"parent"
        store.put_bytes(b"child", "child")

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(60)

    assert child.exitcode == 0
    assert store.get_bytes("child") == b"child"
    assert store.get_bytes("parent") == b"parent"


def test_parts_cover_an_object_of_any_size_and_are_never_too_many() -> None:
    for size in (0, 1, PART_BYTES, PART_BYTES + 1, 5 * 1024**4):
        ranges = part_ranges(size)

        assert sum(length for _, length in ranges) == size
        assert all(start + length == following for (start, length), (following, _) in itertools.pairwise(ranges))
        assert len(ranges) <= 10_000


def test_a_full_local_disk_is_told_apart_from_a_broken_server() -> None:
    assert isinstance(translated(OSError(28, "No space left on device"), "key"), DiskFullError)
    assert isinstance(translated(OSError(5, "Input/output error"), "key"), StoreUnavailableError)
