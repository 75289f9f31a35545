"""A state directory in memory, for ``make up ARGS="--in-memory"``: databases, store and all, gone at the end.

For demonstrations, and for machines that shall keep nothing. Only who asks for it gets it: a service whose database is
away says so, and never goes on in memory.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from data.settings import Settings
from deployments import postgres
from deployments.environment import isolated
from deployments.errors import NoMemoryHomeError
from deployments.note import LOCK, take_lock

MEMORY = Path("/dev/shm")  # noqa: S108  # the folder in memory that Linux has
PREFIX = "dailies-in-memory-"
LEAST_BYTES = 2 * 2**30
WARNING = (
    "[bold black on yellow] IN MEMORY [/bold black on yellow] [yellow]Nothing is kept: databases, videos, accounts and "
    "logs lie in memory, and are gone when this ends.[/yellow]"
)


def environment() -> dict[str, str]:
    """Return what keeps everything in the home, whatever this machine's settings say, and has the API say so."""
    return {**isolated(), "DAILIES_IN_MEMORY": "true"}


@contextmanager
def home_in_memory(settings: Settings, folder: Path = MEMORY, least_bytes: int = LEAST_BYTES) -> Iterator[Path]:
    """Give a state directory in memory until the block is left; what a killed predecessor left is removed first.

    Args:
        settings: This machine's.
        folder: Where memory is to be had as files.
        least_bytes: So much has to be free.

    Raises:
        NoMemoryHomeError: Mode ``production``; or no such folder, or too little free.
    """
    if settings.mode == "production":
        raise NoMemoryHomeError("Mode `production` keeps its state: --in-memory is for demonstrations.")
    for left in _left_behind(folder):
        _remove(left)
    _require(folder, least_bytes)
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    if os.geteuid() == 0:
        home.chmod(0o711)  # Postgres does not run as root, and has to get through
    try:
        yield home
    finally:
        _remove(home)


def _require(folder: Path, least_bytes: int) -> None:
    kinds = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    if kinds.get(folder) not in ("tmpfs", "ramfs"):
        raise NoMemoryHomeError(f"{folder} is no folder in memory (Linux has one): leave --in-memory out.")
    free = min(shutil.disk_usage(folder).free, psutil.virtual_memory().available)
    if free < least_bytes:
        raise NoMemoryHomeError(
            f"{free / 2**30:.1f} GiB of memory are free in {folder}, but --in-memory wants {least_bytes / 2**30:.1f}."
        )


def _left_behind(folder: Path) -> Iterator[Path]:
    """Give the homes there that no stack has any more. One without a lock is empty: its stack is about to start."""
    for home in folder.glob(f"{PREFIX}*"):
        is_own = home.lstat().st_uid == os.geteuid() and not home.is_symlink()  # others may write there too
        if not is_own or not (home / LOCK).exists() or (lock := take_lock(home)) is None:
            continue
        lock.close()
        yield home


def _remove(home: Path) -> None:
    postgres.forget(home)
    shutil.rmtree(home, ignore_errors=True)
