"""Small file systems that can be filled and made read-only; they need the right to mount."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE_MIB = 192
FILES = 4000


@contextmanager
def small_file_system(place: Path) -> Iterator[bool]:
    """Mount a small file system in memory at a folder while the block runs; gives whether that was possible."""
    place.mkdir(parents=True, exist_ok=True)
    mounted = os.geteuid() == 0 and _mount("-t", "tmpfs", "-o", f"size={SIZE_MIB}m,nr_inodes={FILES}", "tmpfs", place)
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def filled(place: Path) -> Iterator[None]:
    """Leave neither bytes nor files free in the file system of a folder while the block runs."""
    ballast = place / "ballast"
    try:
        _write_until_full(ballast)
        yield
    finally:
        ballast.unlink(missing_ok=True)
        for path in place.glob("ballast-*"):
            path.unlink()


@contextmanager
def read_only(place: Path, wait_until: Callable[..., None]) -> Iterator[None]:
    """Let nothing be written to a mounted file system while the block runs."""
    # Not while a file is open for writing: then the kernel says that it is busy.
    wait_until(lambda: _mount("-o", "remount,ro", place), 30, f"{place} to be read-only")
    try:
        yield
    finally:
        assert _mount("-o", "remount,rw", place)


def _write_until_full(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as stream, suppress(OSError):
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while stream.write(bytes(size)):
                    pass
    with suppress(OSError):
        for number in range(FILES):
            ballast.with_name(f"ballast-{number}").touch()


def _mount(*arguments: str | Path) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
