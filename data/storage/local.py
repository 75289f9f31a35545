"""Objects as files below one folder: the default on a laptop, and good on any POSIX file system.

Every object is written to a temporary file in the same file system, flushed to disk, then renamed into place, so that a
crash at any moment leaves the old object or the new one. Objects are never changed in place; that is why copies inside
the store, and large files on their way out, can be hard links.
"""

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from data.domain.errors import ObjectMissingError, PublicationConflictError
from data.locks import file_lock
from data.storage.base import (
    INTERNAL_FOLDER,
    STREAM_CHUNK_BYTES,
    StoredObject,
    chosen,
    tree_prefix,
    validated_key,
    validated_swap,
)
from data.storage.local_files import (
    copy_into,
    describe,
    link_or_copy,
    reading,
    regular_files,
    sync_directory,
    writing,
)

LINK_FROM_BYTES = 1024 * 1024
"""Smaller objects are fetched as copies: a playlist is what a careless caller edits, and a copy costs nothing."""
LOCK_TIMEOUT_SECONDS = 30.0
_TREE_THREADS = 8
"""Parallel flushes share one commit of the file system's journal."""


class LocalStore:
    """An object store in a local folder. Holds no open files; lives as long as anybody wants it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / INTERNAL_FOLDER / "temporary"
        self._locks = root / INTERNAL_FOLDER / "locks"

    def put_file(self, path: Path, key: str, content_type: str | None = None) -> StoredObject:
        """Store a copy of a local file; a hard link would change when its owner writes to it."""
        stored = self._store_file(path, key)
        self._sync_directories([key])
        return stored

    def put_bytes(self, data: bytes, key: str, content_type: str | None = None) -> StoredObject:
        """Store bytes."""
        stored = self._write(key, lambda target: target.write(data))
        self._sync_directories([key])
        return stored

    def put_tree(self, directory: Path, prefix: str) -> dict[str, int]:
        """Store every file below a folder, several at a time."""
        with writing(prefix):
            paths = regular_files(directory)
        keys = {validated_key(tree_prefix(prefix) + name): path for name, path in paths.items()}
        with ThreadPoolExecutor(_TREE_THREADS) as pool:
            stored = list(pool.map(lambda item: self._store_file(item[1], item[0]), keys.items()))
        self._sync_directories(keys)
        return {name: each.size_bytes for name, each in zip(paths, stored, strict=True)}

    def get_bytes(self, key: str) -> bytes:
        """Return a small object whole."""
        with reading(key):
            return self._path(key).read_bytes()

    def fetch(self, key: str, target: Path) -> Path:
        """Bring an object to a local path: as a hard link if it is large and on the same file system, else a copy."""
        source = self._path(key)
        with reading(key):
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(source, target, may_link=source.stat().st_size >= LINK_FROM_BYTES)
        return target

    def fetch_tree(self, prefix: str, directory: Path, names: Collection[str] | None = None) -> dict[str, int]:
        """Bring a tree, or some of its objects, into a folder."""
        sizes = chosen(self._tree(prefix), names, prefix)
        for name in sizes:
            self.fetch(tree_prefix(prefix) + name, directory / name)
        return sizes

    def stat(self, key: str) -> StoredObject | None:
        """Return what is known of an object.

        Its etag is the sha256 of the content up to 1 MiB; above that, where hashing would cost too much, modification
        time, size and inode, which the renaming of a new file into place always changes.
        """
        path = self._path(key)
        with reading(key):
            return describe(path, key)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Iterate over the objects whose key begins with that text, sorted, one folder in memory at a time."""
        folder = prefix.rpartition("/")[0]
        if folder:
            validated_key(folder)
        with reading(prefix):
            for key in self._keys_below(folder, prefix):
                stored = describe(self._root / key, key)
                if stored is not None:
                    yield stored

    def read_range(self, key: str, start: int = 0, end_exclusive: int | None = None) -> Iterator[bytes]:
        """Return an iterator over a part of an object."""
        stream = self._stream(key, start, end_exclusive)
        next(stream)  # opens the file, so that a missing object shows now
        return stream

    def copy(self, source_key: str, key: str) -> StoredObject:
        """Copy an object inside the store as a hard link, which is safe because objects are never changed in place."""
        stored = self._link(source_key, key)
        self._sync_directories([key])
        return stored

    def copy_tree(self, source_prefix: str, prefix: str, names: Collection[str] | None = None) -> dict[str, int]:
        """Copy a tree inside the store, or some of its objects."""
        sizes = chosen(self._tree(source_prefix), names, source_prefix)
        for name in sizes:
            self._link(tree_prefix(source_prefix) + name, tree_prefix(prefix) + name)
        self._sync_directories(tree_prefix(prefix) + name for name in sizes)
        return sizes

    def delete(self, key: str) -> None:
        """Remove an object, and the folders that it leaves empty."""
        path = self._path(key)
        with writing(key), suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            path.unlink()
            self._remove_empty_folders(path.parent)

    def delete_tree(self, prefix: str) -> int:
        """Remove a tree and the folders that it leaves empty."""
        keys = [tree_prefix(prefix) + name for name in self._names(prefix)]
        for key in keys:
            self.delete(key)
        return len(keys)

    def get_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Return a small object with its etag."""
        with reading(key), suppress(FileNotFoundError, NotADirectoryError):
            data = self._path(key).read_bytes()
            return data, hashlib.sha256(data).hexdigest()
        return None

    def compare_and_swap(self, key: str, data: bytes, expected_etag: str | None) -> str:
        """Replace a small object only if it is still the one we read; a lock of the kernel keeps other writers away."""
        validated_swap(key, data)
        with self._locked(key):
            current = self.get_versioned(key)
            if (current[1] if current else None) != expected_etag:
                raise PublicationConflictError(f"{key} was changed by somebody else in between.", {"key": key})
            self.put_bytes(data, key)
            return hashlib.sha256(data).hexdigest()  # as it is read; that of `stat` is another for large objects

    def presigned_url(self, key: str, expires_seconds: int) -> str | None:
        """Return ``None``: a folder has no server of its own; the API serves its files."""
        validated_key(key)
        return None

    def part_uploads(self) -> None:
        """Return ``None``: a folder has no server."""
        return

    def sweep_temporary(self, older_than_seconds: float, below: str = "") -> int:
        """Remove temporary files of writers that were killed: all of them, since they are stores' own."""
        oldest = time.time() - older_than_seconds
        count = 0
        with writing(INTERNAL_FOLDER):
            for path in self._temporary.glob("*"):
                with suppress(FileNotFoundError):
                    if path.stat().st_ctime < oldest:  # a link keeps its object's older mtime
                        path.unlink()
                        count += 1
        return count

    def _path(self, key: str) -> Path:
        return self._root / validated_key(key)

    def _new_path(self) -> Path:
        self._temporary.mkdir(parents=True, exist_ok=True)
        return self._temporary / uuid4().hex

    def _store_file(self, path: Path, key: str) -> StoredObject:
        def fill(target: BinaryIO) -> None:
            with path.open("rb") as source:
                copy_into(source, target)

        return self._write(key, fill)

    def _write(self, key: str, fill: Callable[[BinaryIO], object]) -> StoredObject:
        """Fill a temporary file, flush it to disk, rename it into place."""
        final = self._path(key)
        with writing(key):
            temporary = self._new_path()
            try:
                with temporary.open("xb") as target:
                    fill(target)
                    target.flush()
                    os.fchmod(target.fileno(), 0o444)  # a reminder for those who hold a link to it
                    os.fsync(target.fileno())
                stored = describe(temporary, key)
                self._in_folder_of(final, lambda: temporary.replace(final))
            finally:
                temporary.unlink(missing_ok=True)
        assert stored is not None
        return stored

    def _link(self, source_key: str, key: str) -> StoredObject:
        source, target = self._path(source_key), self._path(key)
        with reading(source_key):
            self._in_folder_of(target, lambda: link_or_copy(source, target, may_link=True, by_way_of=self._new_path()))
            stored = describe(target, key)
        if stored is None:
            raise ObjectMissingError(f"{key} was removed while it was copied.", {"key": key})
        return stored

    def _in_folder_of(self, path: Path, action: Callable[[], object]) -> None:
        """Do it in an existing folder, although a deletion elsewhere may remove the folder again while it is empty."""
        for attempts_left in (4, 3, 2, 1, 0):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                action()
            except FileNotFoundError:
                if path.parent.is_dir() or not attempts_left:
                    raise
            else:
                return

    def _sync_directories(self, keys: Iterable[str]) -> None:
        with writing(self._root.name):
            for folder in {self._path(key).parent for key in keys}:
                with suppress(FileNotFoundError):
                    sync_directory(folder)

    def _stream(self, key: str, start: int, end_exclusive: int | None) -> Iterator[bytes]:
        with reading(key), self._path(key).open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            left = min(size, size if end_exclusive is None else end_exclusive) - start
            source.seek(start)
            yield b""
            while left > 0 and (chunk := source.read(min(left, STREAM_CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk

    def _names(self, prefix: str) -> Iterator[str]:
        folder = tree_prefix(prefix)
        with reading(prefix):
            yield from (key.removeprefix(folder) for key in self._keys_below(folder.rstrip("/"), folder))

    def _tree(self, prefix: str) -> dict[str, int]:
        with reading(prefix):
            sizes = {name: (self._root / tree_prefix(prefix) / name).stat().st_size for name in self._names(prefix)}
        if not sizes:
            raise ObjectMissingError(f"There is nothing below {prefix}.", {"prefix": prefix})
        return sizes

    def _keys_below(self, folder: str, prefix: str) -> Iterator[str]:
        """Keys in a folder that begin with a prefix, in the order of code points, as S3 sorts them."""
        try:
            with os.scandir(self._root / folder) as entries:
                # A folder sorts as if its name ended with the slash that follows it in every key below.
                found = sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            return
        base = f"{folder}/" if folder else ""
        for name in found:
            key = base + name
            if not (key.startswith(prefix) or prefix.startswith(key)) or key == f"{INTERNAL_FOLDER}/":
                continue
            if name.endswith("/"):
                yield from self._keys_below(key.rstrip("/"), prefix)
            elif key.startswith(prefix):
                yield key

    def _remove_empty_folders(self, folder: Path) -> None:
        with suppress(OSError):  # not empty, or somebody else was faster
            while folder != self._root:
                folder.rmdir()
                folder = folder.parent

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Hold the lock that the key shares with a 256th of all others; the lock files stay."""
        with writing(key):
            self._locks.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha256(key.encode()).hexdigest()[:2]
            with file_lock(self._locks / name, LOCK_TIMEOUT_SECONDS):
                yield
