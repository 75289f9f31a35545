"""Playback files of publications, as browsers and CDNs want them: ranges, validators, immutable."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from api.asset_schemas import PublicVideo
from api.asset_views import show_public
from api.dependencies import PublicServices
from api.links import MEDIA
from api.schemas import Problem
from api.serving import FILE_ANSWERS, serve_file

_FOLLOWED = (".m3u8", ".mpd", ".vtt")
"""Files whose relative addresses lead to others: their own must stay ours."""

router = APIRouter(prefix=MEDIA, tags=["media"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}


@router.get("/{asset_id}", responses=NOT_FOUND)
async def public_video(asset_id: str, services: PublicServices, response: Response) -> PublicVideo:
    """Show what is public of a video, to everybody: what the player page plays."""
    response.headers["Cache-Control"] = "no-cache"
    return await run_in_threadpool(show_public, asset_id, services)


@router.get("/{asset_id}/{version}/{path:path}", response_class=Response, responses={**NOT_FOUND, **FILE_ANSWERS})
@router.head("/{asset_id}/{version}/{path:path}", response_class=Response, include_in_schema=False)
async def media_file(asset_id: str, version: int, path: str, request: Request, services: PublicServices) -> Response:
    """Serve one file of a publication, whole or a byte range of it. Only files that its manifest lists are there."""
    manifest = await run_in_threadpool(services.publications.version, asset_id, version)
    if services.settings.api.redirect_media and path in manifest.files and not path.endswith(_FOLLOWED):
        address = await run_in_threadpool(
            services.store.presigned_url, manifest.prefix + path, services.settings.api.presigned_seconds
        )
        if address is not None:  # a player may come back to the same redirect while what it leads to holds
            kept = f"private, max-age={services.settings.api.presigned_seconds // 2}"
            return RedirectResponse(address, 307, {"Cache-Control": kept})
    answer = await serve_file(services.store, manifest, path, request)
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # what is public may play on other sites' pages
    return answer
