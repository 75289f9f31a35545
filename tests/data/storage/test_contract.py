"""What every object store does. The same tests run against a local folder and a real S3-compatible server."""

import hashlib
import os
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from data.domain.errors import (
    InvalidRequestError,
    ObjectMissingError,
    PublicationConflictError,
    StoreUnavailableError,
)
from data.storage import ObjectStore, open_store
from data.storage.base import MAX_SWAP_BYTES
from tests.fakes.s3_server import S3Server

ODD_KEYS = [
    "a b/ü – 日本.mp4",
    "brackets[1]*?/{x}.txt",
    "percent%20/%2e%2e/+plus&and=.m3u8",
    "quote's/<tag>",
    "emoji/🎬.jpg",
    "dots/...hidden/.file",
    "-leading/dash",
    "n" * 255,
]
BAD_KEYS = [
    "",
    "/",
    "/absolute",
    "a//b",
    "a/",
    "./a",
    "a/../b",
    "..",
    "nul\0",
    "line\nbreak",
    "\x7f",
    "\udcff",
    "x" * 256,
]


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return open_store(f"file://{tmp_path / 'store'}")
    return s3_store(request.getfixturevalue("s3"))


def s3_store(server: S3Server) -> ObjectStore:
    """The test's own corner of the bucket."""
    return open_store(
        f"{server.url}/{uuid4().hex}/below",
        endpoint_url=server.endpoint_url,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )


def keys_of(store: ObjectStore, prefix: str = "") -> list[str]:
    return [each.key for each in store.list(prefix)]


def folder_of(directory: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return directory


def test_bytes_come_back_as_they_went_in(store: ObjectStore) -> None:
    stored = store.put_bytes(b"hello", "greetings/hello.txt")

    assert store.get_bytes("greetings/hello.txt") == b"hello"
    assert (stored.key, stored.size_bytes) == ("greetings/hello.txt", 5)
    assert store.stat("greetings/hello.txt").etag == stored.etag  # type: ignore[union-attr]


def test_an_empty_object_is_an_object(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes(b"", "empty")

    assert store.get_bytes("empty") == b""
    assert store.stat("empty").size_bytes == 0  # type: ignore[union-attr]
    assert list(store.read_range("empty")) == []
    assert store.fetch("empty", tmp_path / "out" / "empty").read_bytes() == b""


def test_a_file_is_copied_not_linked_so_that_its_owner_may_go_on_writing(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    source.write_bytes(b"x" * 2_000_000)

    store.put_file(source, "sources/one.mp4")
    with source.open("r+b") as file:
        file.write(b"changed")

    assert store.get_bytes("sources/one.mp4") == b"x" * 2_000_000


def test_an_object_is_replaced_whole_and_its_etag_changes(store: ObjectStore) -> None:
    first = store.put_bytes(b"a long first version", "key")
    second = store.put_bytes(b"short", "key")

    assert store.get_bytes("key") == b"short"
    assert first.etag != second.etag


def test_a_missing_object_is_missing_in_every_way(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes(b"1", "folder/object")

    assert store.stat("nothing") is None
    assert store.stat("folder") is None
    assert store.stat("folder/object/below") is None
    assert store.get_versioned("nothing") is None
    store.delete("nothing")
    assert store.delete_tree("nothing") == 0
    for call in (
        lambda: store.get_bytes("nothing"),
        lambda: store.fetch("nothing", tmp_path / "nothing"),
        lambda: store.read_range("nothing"),
        lambda: store.copy("nothing", "copy"),
        lambda: store.fetch_tree("nothing", tmp_path / "tree"),
        lambda: store.copy_tree("nothing", "copy"),
    ):
        with pytest.raises(ObjectMissingError):
            call()
    assert not (tmp_path / "nothing").exists()
    assert keys_of(store) == ["folder/object"]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_are_taken_literally(store: ObjectStore, key: str, tmp_path: Path) -> None:
    store.put_bytes(key.encode(), key)
    store.copy(key, f"copy/{key[:200]}")

    assert store.get_bytes(key) == key.encode()
    assert sorted(keys_of(store)) == sorted([key, f"copy/{key[:200]}"])
    assert store.fetch(key, tmp_path / "out").read_bytes() == key.encode()
    assert store.delete_tree("copy") == 1
    store.delete(key)
    assert keys_of(store) == []


@pytest.mark.parametrize("key", BAD_KEYS)
def test_keys_that_could_lead_elsewhere_are_refused(store: ObjectStore, key: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")

    for call in (
        lambda: store.put_bytes(b"1", key),
        lambda: store.put_file(tmp_path / "file", key),
        lambda: store.get_bytes(key),
        lambda: store.stat(key),
        lambda: store.fetch(key, tmp_path / "out"),
        lambda: store.delete(key),
        lambda: store.read_range(key),
        lambda: store.compare_and_swap(key, b"1", None),
        lambda: store.presigned_url(key, 10),
    ):
        with pytest.raises(InvalidRequestError):
            call()


def test_a_tree_cannot_be_everything(store: ObjectStore) -> None:
    with pytest.raises(InvalidRequestError):
        store.delete_tree("")
    with pytest.raises(InvalidRequestError):
        store.delete_tree("/")


def test_listing_is_sorted_by_code_points_and_by_text_prefix(store: ObjectStore) -> None:
    for key in ("a/b", "a-b", "a.b", "a/b-c/d", "a0", "ab/c", "b", "a/Z"):
        store.put_bytes(key.encode(), key)

    assert keys_of(store) == ["a-b", "a.b", "a/Z", "a/b", "a/b-c/d", "a0", "ab/c", "b"]
    assert keys_of(store, "a/") == ["a/Z", "a/b", "a/b-c/d"]
    assert keys_of(store, "a/b") == ["a/b", "a/b-c/d"]
    assert keys_of(store, "ab") == ["ab/c"]
    assert keys_of(store, "zzz") == []
    assert all(each.size_bytes == len(each.key) for each in store.list())


def test_a_listing_says_the_same_as_stat(store: ObjectStore) -> None:
    store.put_bytes(b"content", "one/two")

    [listed] = store.list("one")

    assert listed == store.stat("one/two")
    assert abs(listed.modified_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_ranges_give_exactly_what_was_asked_for(store: ObjectStore) -> None:
    content = random.Random(1).randbytes(3_000_000)
    store.put_bytes(content, "movie.mp4")

    for start, end in ((0, None), (0, 1), (5, 5), (1, 2_500_001), (2_999_999, None), (2_999_990, 9_000_000), (7, 3)):
        chunks = list(store.read_range("movie.mp4", start, end))
        assert b"".join(chunks) == content[start:end], (start, end)
        assert all(0 < len(chunk) <= 1024 * 1024 for chunk in chunks)
    assert list(store.read_range("movie.mp4", 3_000_000)) == []
    assert list(store.read_range("movie.mp4", 4_000_000, 5_000_000)) == []


def test_a_reader_who_leaves_early_harms_nobody(store: ObjectStore) -> None:
    store.put_bytes(b"x" * 5_000_000, "movie.mp4")

    stream = store.read_range("movie.mp4")
    assert next(iter(stream))
    del stream

    assert store.stat("movie.mp4").size_bytes == 5_000_000  # type: ignore[union-attr]


def test_a_reader_goes_on_with_the_version_that_it_began(store: ObjectStore) -> None:
    store.put_bytes(b"a" * 3_000_000, "movie.mp4")
    stream = store.read_range("movie.mp4")
    begun = next(stream)

    store.put_bytes(b"b" * 3_000_000, "movie.mp4")

    try:
        rest = b"".join(stream)
    except StoreUnavailableError:
        rest = b""  # a server may end the stream: what must not be is a mixture
    assert b"b" not in begun + rest


def test_a_tree_of_many_small_files_goes_in_across_and_out(store: ObjectStore, tmp_path: Path) -> None:
    files = {f"seg/{number:03d}[x].m4s": os.urandom(number * 7) for number in range(200)} | {"master.m3u8": b"#EXTM3U"}
    sizes = {name: len(content) for name, content in files.items()}
    source = folder_of(tmp_path / "in", files)

    assert store.put_tree(source, "packages/one/") == sizes
    assert store.copy_tree("packages/one", "publications/one/v0001") == sizes
    assert store.fetch_tree("publications/one/v0001", tmp_path / "out") == sizes
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == files
    assert keys_of(store, "packages/one/") == sorted(f"packages/one/{name}" for name in files)
    assert store.delete_tree("packages/one") == 201
    assert keys_of(store, "packages/one/") == []
    assert len(keys_of(store)) == 201


def test_some_objects_of_a_tree_go_across_and_out(store: ObjectStore, tmp_path: Path) -> None:
    for name in ("a", "b/c", "d"):
        store.put_bytes(name.encode(), f"tree/{name}")

    assert store.copy_tree("tree/", "copy/", ["a", "b/c"]) == {"a": 1, "b/c": 3}
    assert keys_of(store, "copy/") == ["copy/a", "copy/b/c"]
    assert store.fetch_tree("tree", tmp_path / "out", {"d"}) == {"d": 1}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["d"]
    for do in (
        lambda: store.copy_tree("tree", "again", ["a", "e"]),
        lambda: store.fetch_tree("tree", tmp_path, ["e"]),
    ):
        with pytest.raises(ObjectMissingError, match="tree/e"):
            do()
    assert keys_of(store, "again/") == []


def test_a_tree_is_a_folder_not_a_text_prefix(store: ObjectStore) -> None:
    store.put_bytes(b"1", "assets/a/file")
    store.put_bytes(b"1", "assets/ab/file")

    assert store.delete_tree("assets/a") == 1
    assert keys_of(store) == ["assets/ab/file"]


def test_symbolic_links_do_not_carry_other_files_into_a_tree(store: ObjectStore, tmp_path: Path) -> None:
    directory = folder_of(tmp_path / "in", {"file": b"1"})
    (directory / "link").symlink_to("/etc/passwd")

    with pytest.raises(InvalidRequestError):
        store.put_tree(directory, "tree")
    assert keys_of(store) == []


def test_a_fetched_file_replaces_what_was_there_and_leaves_no_other_file(store: ObjectStore, tmp_path: Path) -> None:
    for content in (b"small", b"x" * 3_000_000):
        store.put_bytes(content, "key")
        (tmp_path / "out").mkdir(exist_ok=True)
        store.fetch("key", tmp_path / "out" / "file")
        store.fetch("key", tmp_path / "out" / "file")

        assert (tmp_path / "out" / "file").read_bytes() == content
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["file"]


def test_what_is_fetched_small_may_be_edited_without_harm_to_the_store(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes(b"#EXTM3U", "tree/master.m3u8")

    store.fetch_tree("tree", tmp_path / "out")
    (tmp_path / "out" / "master.m3u8").write_bytes(b"edited")

    assert store.get_bytes("tree/master.m3u8") == b"#EXTM3U"


def test_a_copy_survives_its_original_and_a_copy_onto_itself_changes_nothing(store: ObjectStore) -> None:
    store.put_bytes(b"1", "one")
    copied = store.copy("one", "two/copy")
    store.copy("one", "two/copy")
    store.put_bytes(b"changed", "one")
    store.delete("one")

    assert store.get_bytes("two/copy") == b"1"
    assert copied.size_bytes == 1
    assert keys_of(store) == ["two/copy"]


def test_a_large_file_in_parts_comes_back_with_the_same_checksum(store: ObjectStore, tmp_path: Path) -> None:
    content = random.Random(2).randbytes(40 * 1024 * 1024 + 12_345)
    source = tmp_path / "large.mp4"
    source.write_bytes(content)

    stored = store.put_file(source, "sources/large.mp4")
    store.fetch("sources/large.mp4", tmp_path / "back.mp4")
    store.copy("sources/large.mp4", "sources/copy.mp4")

    digest = hashlib.sha256(content).hexdigest()
    assert stored.size_bytes == len(content)
    assert hashlib.sha256((tmp_path / "back.mp4").read_bytes()).hexdigest() == digest
    streamed = hashlib.sha256()
    for chunk in store.read_range("sources/copy.mp4"):
        streamed.update(chunk)
    assert streamed.hexdigest() == digest


def test_a_source_that_is_not_there_leaves_the_old_object(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes(b"old", "key")

    with pytest.raises(StoreUnavailableError):
        store.put_file(tmp_path / "vanished", "key")
    with pytest.raises(StoreUnavailableError):
        store.put_file(tmp_path, "key")
    with pytest.raises(StoreUnavailableError):
        store.put_tree(tmp_path / "vanished", "tree")

    assert store.get_bytes("key") == b"old"


def test_swap_creates_only_what_is_not_there(store: ObjectStore) -> None:
    etag = store.compare_and_swap("publication.json", b"1", None)

    with pytest.raises(PublicationConflictError):
        store.compare_and_swap("publication.json", b"2", None)
    assert store.get_versioned("publication.json") == (b"1", etag)
    assert store.stat("publication.json").etag == etag  # type: ignore[union-attr]


def test_swap_replaces_only_what_was_read(store: ObjectStore) -> None:
    first = store.compare_and_swap("publication.json", b"1", None)
    second = store.compare_and_swap("publication.json", b"2", first)

    with pytest.raises(PublicationConflictError):
        store.compare_and_swap("publication.json", b"3", first)
    with pytest.raises(PublicationConflictError):
        store.compare_and_swap("never-written.json", b"3", first)
    assert store.get_versioned("publication.json") == (b"2", second)
    assert store.get_versioned("never-written.json") is None


def test_the_manifest_of_twelve_hours_is_swapped_like_any_other(store: ObjectStore) -> None:
    etag = None
    for letter in (b"a", b"b"):
        etag = store.compare_and_swap("publication.json", letter * (3 * 1024 * 1024), etag)
        found = store.get_versioned("publication.json")
        assert found is not None
        assert (found[0][:1], found[1]) == (letter, etag)


def test_only_small_objects_are_swapped(store: ObjectStore) -> None:
    with pytest.raises(InvalidRequestError):
        store.compare_and_swap("publication.json", b"x" * (MAX_SWAP_BYTES + 1), None)


def test_of_twenty_writers_exactly_one_wins_each_round(store: ObjectStore, request: pytest.FixtureRequest) -> None:
    rounds = 10 if "local" in request.node.name else 2  # the test's S3 server makes each loser wait for seconds

    def swap(writer: int, etag: str | None, round_number: int) -> str | None:
        try:
            return store.compare_and_swap("publication.json", f"{round_number}:{writer}".encode(), etag)
        except PublicationConflictError:
            return None

    etag = None
    with ThreadPoolExecutor(20) as pool:
        for round_number in range(rounds):
            outcomes = list(pool.map(swap, range(20), [etag] * 20, [round_number] * 20))
            winners = [writer for writer, outcome in enumerate(outcomes) if outcome]

            assert len(winners) == 1
            etag = outcomes[winners[0]]
            assert store.get_versioned("publication.json") == (f"{round_number}:{winners[0]}".encode(), etag)


def test_readers_see_the_old_or_the_new_object_never_a_part(store: ObjectStore) -> None:
    contents = {bytes([letter]) * (500_000 + letter) for letter in b"abcd"}
    store.put_bytes(next(iter(contents)), "key")

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(store.put_bytes, content, "key") for content in [*contents] * 3]
        seen = list(pool.map(lambda _: store.get_bytes("key"), range(20)))
        for writer in writers:
            writer.result()

    assert set(seen) <= contents


def test_trees_that_come_and_go_at_once_do_not_disturb_each_other(store: ObjectStore) -> None:
    def work(number: int) -> bool:
        store.put_bytes(b"1", f"shared/folder/{number}/file")
        store.delete_tree(f"shared/folder/{number}")
        store.put_bytes(b"1", f"shared/folder/{number}/again")
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))
    assert len(keys_of(store)) == 40


def test_nothing_temporary_shows_or_stays(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes(b"1", "key")
    with pytest.raises(StoreUnavailableError):
        store.put_file(tmp_path / "vanished", "other")

    assert keys_of(store) == ["key"]
    assert store.sweep_temporary(0) == 0


def test_a_presigned_url_really_serves_the_object_or_there_is_none(
    store: ObjectStore, request: pytest.FixtureRequest
) -> None:
    store.put_bytes(b"#EXTM3U\n", "a b/ü[1].m3u8")

    url = store.presigned_url("a b/ü[1].m3u8", 60)

    if "local" in request.node.name:
        assert url is None
        return
    assert url is not None
    with httpx.Client() as client:
        answer = client.get(url)
        part = client.get(url, headers={"Range": "bytes=1-3"})
        unsigned = client.get(url.partition("?")[0])
    assert (answer.status_code, answer.content) == (200, b"#EXTM3U\n")
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert (part.status_code, part.content) == (206, b"EXT")
    assert unsigned.status_code == 403
