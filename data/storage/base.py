"""What an object store is, and which keys it takes. Objects are immutable: written whole, replaced whole, or absent."""

import mimetypes
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from data.domain.errors import InvalidRequestError, ObjectMissingError

Entry = TypeVar("Entry")

MAX_KEY_BYTES = 1024
"""S3's limit for a key in UTF-8."""
MAX_NAME_BYTES = 255
"""The limit of common file systems for one part of a path."""
STREAM_CHUNK_BYTES = 1024 * 1024
"""The most that :meth:`ObjectStore.read_range` hands out at once."""
MAX_SWAP_BYTES = 8 * 1024 * 1024
"""The most that :meth:`ObjectStore.compare_and_swap` takes: the manifest of twelve hours in segments of one second."""
INTERNAL_FOLDER = ".dailies"
"""First part of the keys that a store keeps for itself (temporary files, locks)."""

_CONTENT_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".opus": "audio/ogg",
    ".vtt": "text/vtt; charset=utf-8",
    ".srt": "application/x-subrip; charset=utf-8",
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".log": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as the store knows it."""

    key: str
    size_bytes: int
    etag: str
    """Changes when the content does; opaque, without quotes."""
    modified_at: datetime
    """When its bytes were written, aware UTC."""


class PartUploader(Protocol):
    """Uploads that clients send to the store's server themselves, part by part."""

    def begin(self, key: str) -> str:
        """Begin an upload and return the server's name of it."""
        ...

    def addresses(self, key: str, parts_id: str, numbers: Iterable[int], expires_seconds: int) -> list[str]:
        """Return an address for each part, to which its bytes are PUT without credentials."""
        ...

    def sizes(self, key: str, parts_id: str) -> dict[int, tuple[str, int]]:
        """Return etag and size in bytes of the parts that have arrived, by number.

        Raises:
            ObjectMissingError: There is no such upload, or it has ended.
        """
        ...

    def complete(self, key: str, parts_id: str, etags: Iterable[tuple[int, str]]) -> None:
        """Make the object of its parts."""
        ...

    def abort(self, key: str, parts_id: str) -> None:
        """Give an upload up and free what has arrived.

        Raises:
            ObjectMissingError: There is no such upload, or it has ended.
        """
        ...


class ObjectStore(Protocol):
    """Bytes under keys. Safe to share between threads, and to carry over a fork.

    Every call may raise StoreUnavailableError (a retry may help), DiskFullError, and InvalidRequestError for a key that
    :func:`validated_key` refuses. *Trees* are all objects below ``prefix + "/"``; they are not atomic: write a tree
    under a prefix that nobody reads yet, then point at it with :meth:`compare_and_swap`.
    """

    def put_file(self, path: Path, key: str, content_type: str | None = None) -> StoredObject:
        """Store a copy of a local file; after an error the key is as it was before."""
        ...

    def put_bytes(self, data: bytes, key: str, content_type: str | None = None) -> StoredObject:
        """Store bytes; after an error the key is as it was before."""
        ...

    def put_tree(self, directory: Path, prefix: str) -> dict[str, int]:
        """Store every file below a folder and return size in bytes by path relative to it.

        Raises:
            InvalidRequestError: The folder holds something that is neither file nor folder (a symbolic link).
        """
        ...

    def get_bytes(self, key: str) -> bytes:
        """Return a small object whole.

        Raises:
            ObjectMissingError: There is no such object.
        """
        ...

    def fetch(self, key: str, target: Path) -> Path:
        """Bring an object to a local path, whole or not at all, and return the path. Missing folders are made.

        The file may be the stored object itself (a hard link): **never write to it**, replace it.

        Raises:
            ObjectMissingError: There is no such object.
        """
        ...

    def fetch_tree(self, prefix: str, directory: Path, names: Collection[str] | None = None) -> dict[str, int]:
        """Bring a tree into a folder, or only the objects of those relative paths; return size in bytes by path.

        :meth:`fetch` says what to mind.

        Raises:
            ObjectMissingError: There is nothing below the prefix, or not one that is named.
        """
        ...

    def stat(self, key: str) -> StoredObject | None:
        """Return what is known of an object, or ``None`` when there is none."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Iterate over the objects whose key begins with that text, in the order of their keys' code points."""
        ...

    def read_range(self, key: str, start: int = 0, end_exclusive: int | None = None) -> Iterator[bytes]:
        """Return an iterator over the bytes from ``start`` to before ``end_exclusive``, in chunks of at most 1 MiB.

        The object is opened by the call, so that a missing one shows before the first byte is sent on. A range past the
        end gives what is there, possibly nothing.

        Raises:
            ObjectMissingError: There is no such object.
        """
        ...

    def copy(self, source_key: str, key: str) -> StoredObject:
        """Copy an object inside the store, without the bytes passing through this process where that is possible.

        Raises:
            ObjectMissingError: There is no such object.
        """
        ...

    def copy_tree(self, source_prefix: str, prefix: str, names: Collection[str] | None = None) -> dict[str, int]:
        """Copy a tree inside the store, or only the objects of those relative paths; return size in bytes by path.

        Raises:
            ObjectMissingError: There is nothing below the prefix, or not one that is named.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        ...

    def delete_tree(self, prefix: str) -> int:
        """Remove a tree and return how many objects went."""
        ...

    def get_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Return a small object with its etag, for :meth:`compare_and_swap`; ``None`` when there is none."""
        ...

    def compare_and_swap(self, key: str, data: bytes, expected_etag: str | None) -> str:
        """Replace a small object only if it is still the one we read, and return the new etag.

        Args:
            key: Written by this method only: a plain put of the same key would not be noticed.
            data: At most 8 MiB.
            expected_etag: What :meth:`get_versioned` said; ``None`` means the object must not exist yet.

        Raises:
            PublicationConflictError: Somebody else was faster; nothing was written.
        """
        ...

    def presigned_url(self, key: str, expires_seconds: int) -> str | None:
        """Return a URL that reads the object without credentials for that long; ``None`` if the store has no server."""
        ...

    def part_uploads(self) -> PartUploader | None:
        """Return what lets clients send parts to the store's server; ``None`` if the store has no server."""
        ...

    def sweep_temporary(self, older_than_seconds: float, below: str = "") -> int:
        """Remove what killed writers left (never visible as objects), older than that; return how many.

        Args:
            older_than_seconds: Age of what is nobody's.
            below: Only of objects whose key begins with that text, where it is known of which object something is:
                in a bucket that others write to as well, theirs is left alone.
        """
        ...


def validated_key(key: str) -> str:
    """Return the key if every store can hold it.

    Raises:
        InvalidRequestError: It is empty, absolute, too long, has empty, ``.`` or ``..`` parts, control characters,
            backslashes or lone surrogates, or is reserved.
    """
    problem = _problem_of(key)
    if problem:
        raise InvalidRequestError(f"{key!r} is not a key of an object: {problem}.", {"key": ascii(key)})
    return key


def tree_prefix(prefix: str) -> str:
    """Return a tree's prefix with exactly one ``/`` at its end.

    Raises:
        InvalidRequestError: It is not a valid key.
    """
    return validated_key(prefix.removesuffix("/")) + "/"


def chosen(tree: Mapping[str, Entry], names: Collection[str] | None, prefix: str) -> dict[str, Entry]:
    """Return the entries of a tree that are named; all of them where no names are given.

    Raises:
        ObjectMissingError: One that is named is not there.
    """
    if names is None:
        return dict(tree)
    if missing := sorted(set(names) - set(tree)):
        key = tree_prefix(prefix) + missing[0]
        raise ObjectMissingError(f"There is no object {key}.", {"key": key})
    return {name: tree[name] for name in names}


def validated_swap(key: str, data: bytes) -> str:
    """Return the key if key and data can be swapped.

    Raises:
        InvalidRequestError: The key is not valid, or the data is larger than 8 MiB.
    """
    if len(data) > MAX_SWAP_BYTES:
        message = f"An object that is swapped holds at most {MAX_SWAP_BYTES} bytes, not {len(data)}."
        raise InvalidRequestError(message, {"key": ascii(key), "size_bytes": len(data)})
    return validated_key(key)


def content_type_of(key: str) -> str:
    """Return the media type by which a browser should take an object, told by its suffix."""
    suffix = "." + key.rpartition(".")[2].lower()
    return _CONTENT_TYPES.get(suffix) or mimetypes.guess_type(key)[0] or "application/octet-stream"


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _problem_of(key: str) -> str | None:
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    parts = key.split("/")
    if len(encoded) > MAX_KEY_BYTES or any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        return f"at most {MAX_KEY_BYTES} bytes, {MAX_NAME_BYTES} between slashes"
    if any(part in ("", ".", "..") for part in parts):
        return "no part of it may be empty, `.` or `..`"
    if _CONTROL.search(key):
        return "no control characters"
    if "\\" in key:  # some S3 servers turn it into a slash
        return "no backslashes"
    return f"{INTERNAL_FOLDER} is the store's own" if parts[0] == INTERNAL_FOLDER else None
