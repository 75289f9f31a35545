import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.domain.errors import DiskFullError, StoreUnavailableError
from data.storage.local import LocalStore
from data.storage.local_files import writing
from tests.fakes.processes import wait_until


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def test_nothing_is_made_before_the_first_object(store: LocalStore, tmp_path: Path) -> None:
    assert list(store.list()) == []
    assert store.sweep_temporary(0) == 0
    assert not (tmp_path / "store").exists()


def test_a_large_object_is_fetched_as_a_hard_link_that_may_only_be_read(store: LocalStore, tmp_path: Path) -> None:
    store.put_bytes(b"x" * 2_000_000, "large")
    store.put_bytes(b"x", "small")

    large, small = store.fetch("large", tmp_path / "large"), store.fetch("small", tmp_path / "small")

    assert large.samefile(tmp_path / "store" / "large")
    assert not large.stat().st_mode & 0o222
    assert not small.samefile(tmp_path / "store" / "small")


def test_a_copy_inside_the_store_takes_no_space(store: LocalStore, tmp_path: Path) -> None:
    store.put_bytes(b"x" * 2_000_000, "one")
    store.copy("one", "two")

    assert (tmp_path / "store" / "one").samefile(tmp_path / "store" / "two")


def test_a_removed_tree_leaves_no_empty_folders(store: LocalStore, tmp_path: Path) -> None:
    store.put_bytes(b"1", "a/b/c/d")
    store.put_bytes(b"1", "a/e")

    store.delete_tree("a/b")

    assert [path.name for path in (tmp_path / "store" / "a").iterdir()] == ["e"]
    store.delete("a/e")
    assert [path.name for path in (tmp_path / "store").iterdir()] == [".dailies"]


def test_a_killed_writer_leaves_the_old_object_and_a_file_that_only_the_sweep_sees(
    store: LocalStore, tmp_path: Path
) -> None:
    store.put_bytes(b"old", "folder/key")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    script = (
        "from pathlib import Path; from data.storage.local import LocalStore;"
        f"LocalStore(Path({str(tmp_path / 'store')!r})).put_file(Path({str(pipe)!r}), 'folder/key')"
    )
    writer = subprocess.Popen([sys.executable, "-c", script])
    with pipe.open("wb") as end:
        end.write(b"half of the new")
        end.flush()
        temporary = tmp_path / "store" / ".dailies" / "temporary"
        wait_until(lambda: any(temporary.iterdir()), 60, "the writer writes")
        writer.send_signal(signal.SIGKILL)
        writer.wait()

    assert store.get_bytes("folder/key") == b"old"
    assert [stored.key for stored in store.list()] == ["folder/key"]
    assert store.sweep_temporary(3600) == 0
    assert store.sweep_temporary(-60) == 1
    assert list(temporary.iterdir()) == []


def test_a_source_whose_size_is_not_what_it_says_is_not_stored(store: LocalStore) -> None:
    with pytest.raises(StoreUnavailableError, match="changed while it was stored"):
        store.put_file(Path("/proc/self/status"), "key")  # says that it is empty

    assert store.stat("key") is None
    assert store.sweep_temporary(-60) == 0


def test_an_object_cannot_lie_below_another_object(store: LocalStore) -> None:
    store.put_bytes(b"1", "a")
    store.put_bytes(b"1", "b/c")

    for key in ("a/below", "b"):
        with pytest.raises(StoreUnavailableError):
            store.put_bytes(b"2", key)
    assert {stored.key for stored in store.list()} == {"a", "b/c"}


def test_a_full_disk_has_an_error_of_its_own() -> None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        with pytest.raises(DiskFullError), writing("key"):
            raise OSError(number, os.strerror(number))
    with pytest.raises(StoreUnavailableError), writing("key"):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def test_processes_that_count_together_lose_no_count(store: LocalStore, tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from data.domain.errors import PublicationConflictError
from data.storage.local import LocalStore
store = LocalStore(Path({str(tmp_path / "store")!r}))
counted = 0
while counted < 25:
    data, etag = store.get_versioned("counter")
    try:
        store.compare_and_swap("counter", str(int(data) + 1).encode(), etag)
        counted += 1
    except PublicationConflictError:
        pass
"""
    store.compare_and_swap("counter", b"0", None)
    counters = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(3)]

    assert [counter.wait(60) for counter in counters] == [0, 0, 0]
    assert store.get_bytes("counter") == b"75"
