"""What the local store does with single files: copy, link, describe, and say in our words what went wrong."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from data.domain.errors import DiskFullError, InvalidRequestError, ObjectMissingError, StoreUnavailableError
from data.storage.base import StoredObject

HASH_UP_TO_BYTES = 1024 * 1024
_COPY_CHUNK_BYTES = 64 * 1024 * 1024
_NO_KERNEL_COPY = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM}
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES}


def describe(path: Path, key: str) -> StoredObject | None:
    """Return what is known of the file that holds an object, or ``None`` when there is none."""
    try:
        with path.open("rb") as source:
            status = os.fstat(source.fileno())
            if status.st_size <= HASH_UP_TO_BYTES:
                etag = hashlib.sha256(source.read()).hexdigest()
            else:
                etag = f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    return StoredObject(key, status.st_size, etag, datetime.fromtimestamp(status.st_mtime, UTC))


def regular_files(directory: Path) -> dict[str, Path]:
    """Return the files below a folder by their path relative to it, with ``/``, sorted.

    Raises:
        InvalidRequestError: There is something that is neither file nor folder: a symbolic link could lead anywhere.
        NotADirectoryError: The folder is none.
        FileNotFoundError: There is no such folder.
    """
    found: dict[str, Path] = {}
    for entry in sorted(os.scandir(directory), key=lambda each: each.name):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            found |= {f"{entry.name}/{name}": inner for name, inner in regular_files(path).items()}
        elif entry.is_file(follow_symlinks=False):
            found[entry.name] = path
        else:
            raise InvalidRequestError(f"{path} is neither a file nor a folder.", {"path": str(path)})
    return found


def copy_into(source: BinaryIO, target: BinaryIO) -> None:
    """Copy a whole file into another, inside the kernel and by shared blocks where the file system can.

    Raises:
        StoreUnavailableError: The source became shorter or longer meanwhile.
    """
    size = os.fstat(source.fileno()).st_size
    try:
        copied = _kernel_copy(source.fileno(), target.fileno())
    except OSError as error:
        if error.errno not in _NO_KERNEL_COPY or target.tell():
            raise
        shutil.copyfileobj(source, target, _COPY_CHUNK_BYTES)
        copied = target.tell()
    if copied != size:
        raise StoreUnavailableError(f"{source.name} changed while it was stored.", {"size_bytes": size})


def link_or_copy(source: Path, target: Path, *, may_link: bool, by_way_of: Path | None = None) -> None:
    """Make ``target`` a hard link to ``source``, or a copy where links are not possible; whole or not at all.

    Args:
        source: An existing file.
        target: Replaced if it exists; its folder must exist.
        may_link: Whether a link will do.
        by_way_of: A free name in the target's file system; ``None`` takes one beside the target, and
            leaves flushing to the system.
    """
    temporary = by_way_of or target.with_name(f".{uuid4().hex}.part")
    try:
        if not (may_link and _linked(source, temporary)):
            with source.open("rb") as reader, temporary.open("xb") as writer:
                copy_into(reader, writer)
                if by_way_of:
                    os.fsync(writer.fileno())
        temporary.replace(target)
    finally:
        # Renaming one link of a file onto another one of the same file does nothing and says nothing (POSIX).
        temporary.unlink(missing_ok=True)


def sync_directory(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a renamed file is still there after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def reading(key: str) -> Iterator[None]:
    """Translate what the operating system says while an object is read: what is not there is missing."""
    try:
        with writing(key):
            yield
    except StoreUnavailableError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            raise ObjectMissingError(f"There is no object {key}.", {"key": key}) from error.__cause__
        raise


@contextmanager
def writing(key: str) -> Iterator[None]:
    """Translate what the operating system says while an object is written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(f"No space is left for {key}: {error.strerror}.", {"key": key}) from error
        raise StoreUnavailableError(f"The object store failed on {key}: {error}.", {"key": key}) from error


def _kernel_copy(source: int, target: int) -> int:
    if not hasattr(os, "copy_file_range"):
        raise OSError(errno.ENOSYS, "no copy_file_range here")
    copied = 0
    while count := os.copy_file_range(source, target, _COPY_CHUNK_BYTES):
        copied += count
    return copied


def _linked(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno in _NO_LINK:
            return False
        raise
    return True
