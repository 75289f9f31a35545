"""Playback files of publications, as browsers and CDNs want them: ranges, validators, immutable."""

import hashlib

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.dependencies import ServicesDependency
from api.links import MEDIA
from api.playback import served_part
from api.streaming import from_thread
from data.domain.errors import NotFoundError
from data.domain.publications import PublicationManifest
from data.storage import content_type_of

router = APIRouter(prefix=MEDIA, tags=["media"])


@router.get("/{asset_id}/{version}/{path:path}", response_class=Response)
@router.head("/{asset_id}/{version}/{path:path}", response_class=Response, include_in_schema=False)
async def media_file(
    asset_id: str, version: int, path: str, request: Request, services: ServicesDependency
) -> Response:
    """Serve one file of a publication, whole or a byte range of it. Only files that its manifest lists are there."""
    manifest = await run_in_threadpool(services.publications.version, asset_id, version)
    if path not in manifest.files:
        raise NotFoundError(f"Version {version} of asset {asset_id} has no file {path}.")
    part = served_part(
        request.headers,
        etag=_etag(manifest, path),
        size_bytes=manifest.files[path],
        content_type=content_type_of(path),
    )
    if request.method == "HEAD" or part.start == part.end_exclusive:
        return Response(status_code=part.status, headers=part.headers)
    chunks = await run_in_threadpool(services.store.read_range, manifest.prefix + path, part.start, part.end_exclusive)
    return StreamingResponse(from_thread(chunks), part.status, part.headers)


def _etag(manifest: PublicationManifest, path: str) -> str:
    """A version's prefix is written once and never again, so the place of a file names its bytes."""
    return f'"{hashlib.sha256((manifest.prefix + path).encode()).hexdigest()[:32]}"'
