"""Playback files of publications, as browsers and CDNs want them: ranges, validators, immutable."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.dependencies import ServicesDependency
from api.links import MEDIA
from api.schemas import Problem
from api.serving import FILE_ANSWERS, serve_file

router = APIRouter(prefix=MEDIA, tags=["media"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}


@router.get("/{asset_id}/{version}/{path:path}", response_class=Response, responses={**NOT_FOUND, **FILE_ANSWERS})
@router.head("/{asset_id}/{version}/{path:path}", response_class=Response, include_in_schema=False)
async def media_file(
    asset_id: str, version: int, path: str, request: Request, services: ServicesDependency
) -> Response:
    """Serve one file of a publication, whole or a byte range of it. Only files that its manifest lists are there."""
    manifest = await run_in_threadpool(services.publications.version, asset_id, version)
    answer = await serve_file(services.store, manifest, path, request)
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # what is public may play on other sites' pages
    return answer
