"""Serves files of a version: one byte range at a time, only what its manifest lists."""

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.playback import CACHE_IMMUTABLE, served_part
from api.streaming import from_thread
from data.domain.errors import NotFoundError
from data.storage import ObjectStore, content_type_of

BINARY: dict[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
FILE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file.", "content": BINARY},
    206: {"description": "The part of the file that `Range` names.", "content": BINARY},
    304: {"description": "It is the file that `If-None-Match` names."},
    412: {"description": "It is not the file that `If-Match` names."},
    416: {"description": "The file has no such part."},
}
"""What a route that serves a file can answer."""


class FileSet(Protocol):
    """Files that lie together, and stay as they are once they were written: a version, an analysis."""

    @property
    def prefix(self) -> str:
        """Where they lie in the object store."""

    @property
    def files(self) -> Mapping[str, int]:
        """Each by its path below the prefix, with its size in bytes."""


async def serve_file(
    store: ObjectStore,
    files: FileSet,
    path: str,
    request: Request,
    *,
    cache_control: str = CACHE_IMMUTABLE,
) -> Response:
    """Answer a request for a file.

    Raises:
        NotFoundError: There is no such file among them.
    """
    if path not in files.files:
        raise NotFoundError(f"There is no file {path}.")
    part = served_part(
        request.headers,
        etag=_etag(files, path),
        size_bytes=files.files[path],
        content_type=content_type_of(path),
        cache_control=cache_control,
    )
    if request.method == "HEAD" or part.start == part.end_exclusive:
        return Response(status_code=part.status, headers=part.headers)
    chunks = await run_in_threadpool(store.read_range, files.prefix + path, part.start, part.end_exclusive)
    return StreamingResponse(from_thread(chunks), part.status, part.headers)


def _etag(files: FileSet, path: str) -> str:
    """Such a prefix is written once and never again, so the place of a file names its bytes."""
    return f'"{hashlib.sha256((files.prefix + path).encode()).hexdigest()[:32]}"'
