"""Objects in an S3 bucket, on AWS or any server that speaks its protocol with conditional writes."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import s3fs

from data.domain.errors import ObjectMissingError, PublicationConflictError, StoreUnavailableError
from data.storage.base import (
    STREAM_CHUNK_BYTES,
    StoredObject,
    chosen,
    content_type_of,
    tree_prefix,
    validated_key,
    validated_swap,
)
from data.storage.local_files import regular_files, writing
from data.storage.parts import PartUploads
from data.storage.s3_session import S3Session, is_refused_condition
from data.storage.s3_transfers import (
    PARTS_AT_ONCE,
    Source,
    all_or_none,
    copy_object,
    download,
    list_objects,
    read_whole,
    upload,
)

T = TypeVar("T")

COPIES_AT_ONCE = 16
DELETE_BATCH = 1000
_STREAM_ATTEMPTS = 3


class S3Store:
    """An object store in a bucket, below a prefix of it. Connects on first use; lives as long as anybody wants it."""

    def __init__(self, session: S3Session, bucket: str, prefix: str = "") -> None:
        self._session = session
        self._bucket = bucket
        self._base = tree_prefix(prefix) if prefix.strip("/") else ""

    def put_file(self, path: Path, key: str, content_type: str | None = None) -> StoredObject:
        """Store a copy of a local file, in parts of 16 MiB if it is large."""
        place = self._place(key)
        with writing(key):
            source = Source(path.stat().st_size, path)
        return self._put(key, place, source, content_type)

    def put_bytes(self, data: bytes, key: str, content_type: str | None = None) -> StoredObject:
        """Store bytes."""
        return self._put(key, self._place(key), Source(len(data), data), content_type)

    def put_tree(self, directory: Path, prefix: str) -> dict[str, int]:
        """Store every file below a folder, several at a time."""
        with writing(prefix):
            paths = regular_files(directory)
            sources = {name: Source(path.stat().st_size, path) for name, path in paths.items()}
        places = {name: self._place(tree_prefix(prefix) + name) for name in sources}

        async def work(fs: s3fs.S3FileSystem) -> None:
            slots = asyncio.Semaphore(PARTS_AT_ONCE)
            await all_or_none(
                upload(fs, places[name], source, content_type_of(name), slots) for name, source in sources.items()
            )

        self._session.run(prefix, work)
        return {name: source.size_bytes for name, source in sources.items()}

    def get_bytes(self, key: str) -> bytes:
        """Return a small object whole."""
        place = self._place(key)
        return self._session.run(key, lambda fs: read_whole(fs, place))[0]

    def fetch(self, key: str, target: Path) -> Path:
        """Bring an object to a local path, in parts of 16 MiB if it is large."""
        self._fetch_all(key, {target: self._described(key)})
        return target

    def fetch_tree(self, prefix: str, directory: Path, names: Collection[str] | None = None) -> dict[str, int]:
        """Bring a tree, or some of its objects, into a folder."""
        tree = chosen(self._tree(prefix), names, prefix)
        self._fetch_all(prefix, {directory / validated_key(name): stored for name, stored in tree.items()})
        return {name: stored.size_bytes for name, stored in tree.items()}

    def stat(self, key: str) -> StoredObject | None:
        """Return what is known of an object; its etag is the server's."""
        place = self._place(key)
        try:
            head = self._session.run(key, lambda fs: fs._call_s3("head_object", **place))
        except ObjectMissingError:
            return None
        return StoredObject(key, head["ContentLength"], head["ETag"].strip('"'), head["LastModified"].astimezone(UTC))

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Iterate over the objects whose key begins with that text, sorted by code points.

        AWS sorts so itself and a page is in memory at a time; other servers may not, so that all is sorted here.
        """
        found = self._listing(prefix)
        return found if self._session.is_aws else iter(sorted(found, key=lambda stored: stored.key))

    def read_range(self, key: str, start: int = 0, end_exclusive: int | None = None) -> Iterator[bytes]:
        """Return an iterator over a part of an object; a connection that breaks is taken up where it broke."""
        stored = self._described(key)
        size = stored.size_bytes
        return self._stream(stored, start, min(size, size if end_exclusive is None else end_exclusive))

    def copy(self, source_key: str, key: str) -> StoredObject:
        """Copy an object inside the store; the server does it."""
        source, target = self._place(source_key), self._place(key)
        size = self._described(source_key).size_bytes
        self._session.run(source_key, lambda fs: copy_object(fs, source, target, size, asyncio.Semaphore(1)))
        return self._described(key)

    def copy_tree(self, source_prefix: str, prefix: str, names: Collection[str] | None = None) -> dict[str, int]:
        """Copy a tree inside the store, or some of its objects, several at a time; the server does it."""
        tree = chosen(self._tree(source_prefix), names, source_prefix)
        places = {
            name: (self._place(tree_prefix(source_prefix) + name), self._place(tree_prefix(prefix) + name))
            for name in tree
        }

        async def work(fs: s3fs.S3FileSystem) -> None:
            slots = asyncio.Semaphore(COPIES_AT_ONCE)
            await all_or_none(copy_object(fs, *places[name], stored.size_bytes, slots) for name, stored in tree.items())

        self._session.run(source_prefix, work)
        return {name: stored.size_bytes for name, stored in tree.items()}

    def delete(self, key: str) -> None:
        """Remove an object."""
        place = self._place(key)
        with suppress(ObjectMissingError):  # some servers say so; S3 itself does not
            self._session.run(key, lambda fs: fs._call_s3("delete_object", **place))

    def delete_tree(self, prefix: str) -> int:
        """Remove a tree, a thousand objects a request."""
        names = [{"Key": self._base + stored.key} for stored in self.list(tree_prefix(prefix))]
        for first in range(0, len(names), DELETE_BATCH):
            batch = {"Objects": names[first : first + DELETE_BATCH], "Quiet": True}
            answer = self._session.run(prefix, _call("delete_objects", Bucket=self._bucket, Delete=batch))
            if answer.get("Errors"):
                left = [error["Key"] for error in answer["Errors"]]
                raise StoreUnavailableError(
                    f"{len(left)} objects below {prefix} were not removed.", {"keys": left[:10]}
                )
        return len(names)

    def get_versioned(self, key: str) -> tuple[bytes, str] | None:
        """Return a small object with its etag."""
        place = self._place(key)
        try:
            return self._session.run(key, lambda fs: read_whole(fs, place))
        except ObjectMissingError:
            return None

    def compare_and_swap(self, key: str, data: bytes, expected_etag: str | None) -> str:
        """Replace a small object only if it is still the one we read; the server decides."""
        place = self._place(validated_swap(key, data))
        condition = {"IfNoneMatch": "*"} if expected_etag is None else {"IfMatch": f'"{expected_etag}"'}
        swap = {"swap": uuid4().hex}

        async def put(fs: s3fs.S3FileSystem) -> Any:
            media_type = content_type_of(key)
            try:
                return await fs._call_s3(
                    "put_object", **place, **condition, Body=data, ContentType=media_type, Metadata=swap
                )
            except OSError as error:
                if not is_refused_condition(error):
                    raise
            # When an answer is lost, the client sends the request again and is refused because of its own first try.
            head = await fs._call_s3("head_object", **place)
            return head if head.get("Metadata") == swap else None

        with suppress(ObjectMissingError):
            if answer := self._session.run(key, put):
                return str(answer["ETag"]).strip('"')
        raise PublicationConflictError(f"{key} was changed by somebody else in between.", {"key": key})

    def presigned_url(self, key: str, expires_seconds: int) -> str | None:
        """Return a URL that reads the object without credentials for that long (at most 604,800 s)."""
        place = self._place(key)

        async def work(fs: s3fs.S3FileSystem) -> str:
            client = await fs.set_session()
            return str(await client.generate_presigned_url("get_object", Params=place, ExpiresIn=expires_seconds))

        return self._session.run(key, work)

    def part_uploads(self) -> PartUploads:
        """Return what lets clients send parts to the server."""
        return PartUploads(self._session, self._place)

    def sweep_temporary(self, older_than_seconds: float, below: str = "") -> int:
        """Abort uploads in parts that nobody finished."""
        oldest = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        place = {"Bucket": self._bucket, "Prefix": self._base + below}
        found = self._session.run(place["Prefix"], _call("list_multipart_uploads", **place))
        stale = [each for each in found.get("Uploads") or [] if each["Initiated"] < oldest]
        for each in stale:
            part = {"Bucket": self._bucket, "Key": each["Key"], "UploadId": each["UploadId"]}
            self._session.run(each["Key"], _call("abort_multipart_upload", **part))
        return len(stale)

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._base + validated_key(key)}

    def _put(self, key: str, place: dict[str, str], source: Source, content_type: str | None) -> StoredObject:
        media_type = content_type or content_type_of(key)
        etag = self._session.run(
            key, lambda fs: upload(fs, place, source, media_type, asyncio.Semaphore(PARTS_AT_ONCE))
        )
        return StoredObject(key, source.size_bytes, etag, datetime.now(UTC))

    def _stored(self, entry: dict[str, Any]) -> StoredObject:
        key = entry["Key"].removeprefix(self._base)
        return StoredObject(key, entry["Size"], entry["ETag"].strip('"'), entry["LastModified"].astimezone(UTC))

    def _listing(self, prefix: str) -> Iterator[StoredObject]:
        pages: Any = None

        async def next_page(fs: s3fs.S3FileSystem) -> Any:
            nonlocal pages
            pages = pages or list_objects(fs, self._bucket, self._base + prefix)
            return await anext(pages, None)

        while (page := self._session.run(prefix, next_page)) is not None:
            yield from map(self._stored, page)

    def _described(self, key: str) -> StoredObject:
        stored = self.stat(key)
        if stored is None:
            raise ObjectMissingError(f"There is no object {key}.", {"key": key})
        return stored

    def _tree(self, prefix: str) -> dict[str, StoredObject]:
        folder = tree_prefix(prefix)
        tree = {stored.key.removeprefix(folder): stored for stored in self.list(folder)}
        if not tree:
            raise ObjectMissingError(f"There is nothing below {prefix}.", {"prefix": prefix})
        return tree

    def _fetch_all(self, subject: str, targets: dict[Path, StoredObject]) -> None:
        """Bring objects to temporary files beside their targets, then rename them."""
        temporary = {target: target.with_name(f".{uuid4().hex}.part") for target in targets}

        async def work(fs: s3fs.S3FileSystem) -> None:
            slots = asyncio.Semaphore(PARTS_AT_ONCE)
            await all_or_none(
                download(fs, self._place(each.key), temporary[target], each.size_bytes, each.etag, slots)
                for target, each in targets.items()
            )

        try:
            with writing(subject):
                for folder in {target.parent for target in targets}:
                    folder.mkdir(parents=True, exist_ok=True)
            self._session.run(subject, work)
            with writing(subject):
                for target, path in temporary.items():
                    path.replace(target)
        finally:
            for path in temporary.values():
                path.unlink(missing_ok=True)

    def _stream(self, stored: StoredObject, start: int, end: int) -> Iterator[bytes]:
        attempts_left = _STREAM_ATTEMPTS
        while start < end:
            try:
                for chunk in self._chunks(stored, start, end):
                    start += len(chunk)
                    yield chunk
            except StoreUnavailableError:
                attempts_left -= 1
                if not attempts_left:
                    raise

    def _chunks(self, stored: StoredObject, start: int, end: int) -> Iterator[bytes]:
        span = {"Range": f"bytes={start}-{end - 1}", "IfMatch": f'"{stored.etag}"'}
        body = self._session.run(stored.key, _call("get_object", **self._place(stored.key), **span))["Body"]

        async def read(_: s3fs.S3FileSystem) -> bytes:
            return bytes(await body.read(STREAM_CHUNK_BYTES))

        try:
            while chunk := self._session.run(stored.key, read):
                start += len(chunk)
                yield chunk
            if start < end:
                raise StoreUnavailableError(f"{stored.key} came incomplete.", {"key": stored.key, "at_byte": start})
        finally:
            body.close()


def _call(method: str, **arguments: Any) -> Callable[[s3fs.S3FileSystem], Coroutine[Any, Any, Any]]:
    """One request to the server, to be run by the session."""
    return lambda fs: fs._call_s3(method, **arguments)
