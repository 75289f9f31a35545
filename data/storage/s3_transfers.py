"""Coroutines that move bytes to and from S3 in parts: whole or not at all, a bounded number of parts in memory.

They use ``put_object`` and multipart calls directly, because s3fs commits a truncated object when an error happens in
``with fs.open(…, "wb")``, does not notice that a file became shorter while it was read, and reads characters of keys
(``*``, ``[``, ``?versionId=``) as patterns.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import s3fs
from botocore.exceptions import HTTPClientError  # type: ignore[import-untyped]

from data.storage.s3_session import FOREIGN_ERRORS

T = TypeVar("T")

PART_BYTES = 16 * 1024 * 1024
MAX_PARTS = 9_000
"""S3 takes 10,000."""
PARTS_AT_ONCE = 4
"""Bounds memory: 64 MiB of parts in one transfer, be it a file or a tree, and the client's copies of them."""
SINGLE_COPY_BYTES = 5 * 1024**3
"""The most that S3 copies in one request."""
_READ_ATTEMPTS = 3
_BROKEN_READ = (aiohttp.ClientError, HTTPClientError, TimeoutError, ConnectionError)


@dataclass(frozen=True)
class Source:
    """Bytes to upload, of a size that is known before: a file, or bytes in memory."""

    size_bytes: int
    content: Path | bytes

    def read(self, start: int, size_bytes: int) -> bytes:
        """Return exactly that many bytes.

        Raises:
            OSError: The file ends before that, or cannot be read.
        """
        if isinstance(self.content, bytes):
            return self.content[start : start + size_bytes]
        with self.content.open("rb") as source:
            data = os.pread(source.fileno(), size_bytes, start)
            size_now = os.fstat(source.fileno()).st_size
        if len(data) != size_bytes or size_now != self.size_bytes:
            raise OSError(f"{self.content} changed while it was stored")
        return data


async def upload(
    fs: s3fs.S3FileSystem, place: dict[str, str], source: Source, content_type: str, slots: asyncio.Semaphore
) -> str:
    """Store bytes and return the etag. ``place`` is ``{"Bucket": …, "Key": …}``."""
    if source.size_bytes <= PART_BYTES:
        async with slots:
            body = await asyncio.to_thread(source.read, 0, source.size_bytes)
            answer = await fs._call_s3("put_object", **place, Body=body, ContentType=content_type)
        return str(answer["ETag"]).strip('"')
    begun = await fs._call_s3("create_multipart_upload", **place, ContentType=content_type)
    upload_id = {**place, "UploadId": begun["UploadId"]}
    try:
        parts = await all_or_none(
            _send_part(fs, upload_id, source, number, start, size, slots)
            for number, (start, size) in enumerate(part_ranges(source.size_bytes), 1)
        )
        answer = await fs._call_s3("complete_multipart_upload", **upload_id, MultipartUpload={"Parts": parts})
    except BaseException:
        with suppress(*FOREIGN_ERRORS):  # the first error is the one to report; a sweep removes the parts
            await fs._call_s3("abort_multipart_upload", **upload_id)
        raise
    return str(answer["ETag"]).strip('"')


async def download(
    fs: s3fs.S3FileSystem, place: dict[str, str], target: Path, size_bytes: int, etag: str, slots: asyncio.Semaphore
) -> None:
    """Write one version of an object to a new file.

    Raises:
        OSError: What came is not what the object's size says, or the disk does not take it.
    """
    with target.open("xb") as file:
        descriptor = file.fileno()
        await all_or_none(
            _receive_part(fs, place, descriptor, start, size, etag, slots) for start, size in part_ranges(size_bytes)
        )
        if os.fstat(descriptor).st_size != size_bytes:
            raise OSError(f"{place['Key']} came incomplete")


async def read_whole(fs: s3fs.S3FileSystem, place: dict[str, str]) -> tuple[bytes, str]:
    """Return a small object and its etag."""
    for attempt in range(_READ_ATTEMPTS):
        answer = await fs._call_s3("get_object", **place)
        try:
            return await answer["Body"].read(), str(answer["ETag"]).strip('"')
        except _BROKEN_READ:
            if attempt == _READ_ATTEMPTS - 1:
                raise
        finally:
            answer["Body"].close()
    raise AssertionError("unreachable")


async def list_objects(fs: s3fs.S3FileSystem, bucket: str, prefix: str) -> AsyncIterator[list[dict[str, Any]]]:
    """Iterate over the pages of a listing; folder markers are left out."""
    more: dict[str, str] = {}
    while True:
        page = await fs._call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
        yield [entry for entry in page.get("Contents", []) if not entry["Key"].endswith("/")]
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


async def all_or_none(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await coroutines at once; at the first error cancel and await the others, so that none goes on unseen."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def copy_object(
    fs: s3fs.S3FileSystem, source: dict[str, str], target: dict[str, str], size_bytes: int, slots: asyncio.Semaphore
) -> None:
    """Let the server copy an object: in one request up to 5 GiB, in parts above that."""
    async with slots:
        if size_bytes <= SINGLE_COPY_BYTES:
            await fs._call_s3("copy_object", **target, CopySource=source)
        else:
            paths = [f"{place['Bucket']}/{place['Key']}" for place in (source, target)]
            await fs._copy_managed(*paths, size_bytes, block=1024**3)


def part_ranges(size_bytes: int) -> list[tuple[int, int]]:
    """Return (start, size) of the parts of an object; none of an empty one."""
    part = max(PART_BYTES, -(-size_bytes // MAX_PARTS))
    return [(start, min(part, size_bytes - start)) for start in range(0, size_bytes, part)]


async def _send_part(
    fs: s3fs.S3FileSystem,
    upload_id: dict[str, str],
    source: Source,
    number: int,
    start: int,
    size: int,
    slots: asyncio.Semaphore,
) -> dict[str, Any]:
    async with slots:
        body = await asyncio.to_thread(source.read, start, size)
        answer = await fs._call_s3("upload_part", **upload_id, PartNumber=number, Body=body)
    return {"PartNumber": number, "ETag": answer["ETag"]}


async def _receive_part(
    fs: s3fs.S3FileSystem,
    place: dict[str, str],
    descriptor: int,
    start: int,
    size: int,
    etag: str,
    slots: asyncio.Semaphore,
) -> None:
    span = {"Range": f"bytes={start}-{start + size - 1}", "IfMatch": f'"{etag}"'}
    async with slots:
        data, _ = await read_whole(fs, {**place, **span})
        await asyncio.to_thread(os.pwrite, descriptor, data, start)
