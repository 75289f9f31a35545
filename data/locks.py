"""Locks between processes that the kernel releases when their holder dies, so that they cannot leak."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

_FIRST_POLL_SECONDS = 0.005
_LONGEST_POLL_SECONDS = 0.1

_held: set[int] = set()
"""The descriptors of this process's locks."""


class HeldLock:
    """An exclusive lock on a file, held until ``release`` or until the process ends, however it ends.

    It works between threads as well as processes. It is this process's own: neither a program that the process starts
    nor a fork of the process holds it on.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        _held.add(descriptor)

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Take the lock on a file, made if need be; ``None`` when somebody else holds it.

        Raises:
            OSError: The file cannot be made, or its file system knows no locks.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def is_of(self, path: Path) -> bool:
        """Say whether the locked file is still the one at a path: somebody may have removed or replaced that."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let go; nothing happens the second time."""
        if self._descriptor in _held:
            _held.discard(self._descriptor)
            # Closing alone would leave the lock with a child that is just being forked, until it runs its program.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)


@contextmanager
def file_lock(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock on a file, made if need be, while the block runs.

    Raises:
        TimeoutError: Somebody else held it for that long.
        OSError: The file cannot be made.
    """
    deadline = time.monotonic() + timeout_seconds
    nap = _FIRST_POLL_SECONDS
    while (lock := HeldLock.take(path)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the lock {path} was not free for {timeout_seconds:.0f} s")
        time.sleep(nap)
        nap = min(nap * 2, _LONGEST_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _forget_the_parents() -> None:
    """Close, in a fresh fork, what would hold the parent's locks after its death (unlocking would take them away)."""
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_the_parents)
