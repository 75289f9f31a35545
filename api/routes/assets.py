"""Assets: what a video is, what of it is public, and what waits for a person to decide."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.asset_schemas import AssetAnswer, AssetSummary, DecisionCall, PublishCall, RetractCall
from api.asset_views import list_assets, list_waiting, show_asset, waiting_candidate
from api.dependencies import ServicesDependency
from api.playback import CACHE_NOTHING
from api.schemas import Page, Problem
from api.serving import FILE_ANSWERS, serve_file
from data.domain.errors import InvalidRequestError, NotFoundError
from data.domain.findings import Decision
from data.reviews import approve, reject, take_down

router = APIRouter(prefix="/assets", tags=["assets"])

After = Annotated[str | None, Query(max_length=500, description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200)]
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}
NOT_NOW: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "It was decided otherwise, or is not what was looked at."}
}

PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("", operation_id="list_assets")
async def all_assets(
    services: ServicesDependency,
    waiting: Annotated[
        bool, Query(description="Only those that wait for a person, the longest waiting first.")
    ] = False,
    after: After = None,
    limit: Limit = 50,
) -> Page[AssetSummary]:
    """List assets, the latest first."""
    if waiting:
        return await run_in_threadpool(list_waiting, services, limit)
    return await run_in_threadpool(list_assets, services, after, limit)


@router.get("/{asset_id}", responses=NOT_FOUND)
async def get_asset(asset_id: str, services: ServicesDependency) -> AssetAnswer:
    """Show an asset: the facts of its source, its current publication, and what waits for a decision."""
    return await run_in_threadpool(show_asset, asset_id, services)


@router.post("/{asset_id}/publish", responses={**NOT_FOUND, **NOT_NOW})
async def publish_asset(asset_id: str, call: PublishCall, services: ServicesDependency) -> AssetAnswer:
    """Let the version that waits become public, in one step. Asked again, it finds that done."""
    decision = _decision(call)
    await run_in_threadpool(approve, services.store, services.database, asset_id, decision, call.job_id)
    services.publications.forget(asset_id)
    return await run_in_threadpool(show_asset, asset_id, services)


@router.post("/{asset_id}/retract", responses={**NOT_FOUND, **NOT_NOW})
async def retract_asset(asset_id: str, call: RetractCall, services: ServicesDependency) -> AssetAnswer:
    """Reject the candidate that waits, or take the public version down: whichever is named. Asked again, it is done.

    What a person took down becomes public again only when a person says so: the next job's version waits.
    """
    if (call.candidate is None) == (call.version is None):
        raise InvalidRequestError("Name what to retract: either `candidate` or `version`.", {"field": "candidate"})
    decision = _decision(call)
    if call.candidate is not None:
        await run_in_threadpool(reject, services.database, asset_id, decision, call.candidate)
    else:
        await run_in_threadpool(take_down, services.store, services.database, asset_id, decision, call.version)
        services.publications.forget(asset_id)
    return await run_in_threadpool(show_asset, asset_id, services)


@router.get("/{asset_id}/candidate/files/{path:path}", response_class=Response, responses={**NOT_FOUND, **FILE_ANSWERS})
async def candidate_file(asset_id: str, path: str, request: Request, services: ServicesDependency) -> Response:
    """Serve one file of the version that waits, for a look at it; nobody on the way may keep it."""
    candidate = await run_in_threadpool(waiting_candidate, asset_id, services)
    return await serve_file(services.store, candidate.manifest, path, request, cache_control=CACHE_NOTHING)


@router.get("/{asset_id}/candidate/frames/{number}", response_class=Response, responses={**NOT_FOUND, **PICTURE})
async def candidate_frame(asset_id: str, number: int, services: ServicesDependency) -> Response:
    """Show one of the frames for which a version waits."""
    candidate = await run_in_threadpool(waiting_candidate, asset_id, services)
    found = candidate.manifest.moderation
    if found is None or not 1 <= number <= len(found.worst):
        raise NotFoundError(f"The candidate has no frame {number} to look at.")
    content = await run_in_threadpool(services.store.get_bytes, found.worst[number - 1].key)
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": CACHE_NOTHING})


def _decision(call: DecisionCall) -> Decision:
    return Decision(by=call.by, at=datetime.now(UTC), reason=call.reason)
