"""Locks between processes that the kernel releases when their holder dies, so that they cannot leak."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold an exclusive lock on a file, made if need be; it works between threads as well as processes.

    Raises:
        TimeoutError: Somebody else held it for that long.
        OSError: The file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + timeout_seconds
        while not _took_lock(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the lock {path} was not free for {timeout_seconds:.0f} s")
            time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)


def _took_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
