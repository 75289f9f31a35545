"""Assets: what a video is, what of it is public, and what waits for a person to decide."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.access import allow
from api.asset_schemas import AssetAnswer, AssetSummary, DecisionCall, PublishCall, RetractCall
from api.asset_views import check_asset, list_assets, list_waiting, show_asset, waiting_candidate
from api.deletion import delete_asset, delete_source
from api.dependencies import Services, ServicesDependency
from api.playback import CACHE_NOTHING
from api.schemas import Page, Problem
from api.serving import FILE_ANSWERS, serve_file
from api.target_copies import want_withdrawn, withdraw_copies
from data.domain.errors import InvalidRequestError, NotFoundError
from data.domain.findings import Decision
from data.domain.identity import LOCAL_USER, Scope
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


@router.get("", dependencies=[allow(Scope.READ)], operation_id="list_assets")
async def all_assets(
    services: ServicesDependency,
    waiting: Annotated[
        bool, Query(description="Only those that wait for a person, the longest waiting first.")
    ] = False,
    mine: Annotated[bool, Query(description="Only one's own, also for admins, who see everybody's.")] = False,
    public: Annotated[
        bool | None, Query(description="Only those of which something is public, or nothing; not beside `waiting`.")
    ] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[AssetSummary]:
    """List assets, the latest first. What is public of everybody is in `/assets/ranking`."""
    if waiting and public is not None:
        raise InvalidRequestError(
            "`public` cannot be asked beside `waiting`: of what waits, an earlier version may be public or not.",
            {"field": "public"},
        )
    if waiting:
        return await run_in_threadpool(lambda: list_waiting(services, after, limit, mine=mine))
    return await run_in_threadpool(lambda: list_assets(services, after, limit, mine=mine, public=public))


@router.get("/{asset_id}", dependencies=[allow(Scope.READ)], responses=NOT_FOUND)
async def get_asset(asset_id: str, services: ServicesDependency) -> AssetAnswer:
    """Show an asset: the facts of its source, its current publication, and what waits for a decision."""
    return await run_in_threadpool(show_asset, asset_id, services)


@router.delete("/{asset_id}", dependencies=[allow(Scope.WRITE)], status_code=204, responses={**NOT_FOUND, **NOT_NOW})
async def remove_asset(asset_id: str, services: ServicesDependency) -> None:
    """Delete an asset with all that was made of it; nothing of it stays public. Not while a job works on it.

    Where others handed in the same content, it is deleted for the caller alone; admins delete it for all.
    """
    await delete_asset(asset_id, services)


@router.delete(
    "/{asset_id}/source", dependencies=[allow(Scope.WRITE)], status_code=204, responses={**NOT_FOUND, **NOT_NOW}
)
async def remove_source(asset_id: str, services: ServicesDependency) -> None:
    """Delete the file that was handed in, once something is public of it. Whoever hands it in again brings it back."""
    await delete_source(asset_id, services)


@router.post("/{asset_id}/publish", dependencies=[allow(Scope.WRITE)], responses={**NOT_FOUND, **NOT_NOW})
async def publish_asset(asset_id: str, call: PublishCall, services: ServicesDependency) -> AssetAnswer:
    """Let the version that waits become public, in one step. Asked again, it finds that done."""
    decision = await _decision(asset_id, call, services)
    await run_in_threadpool(approve, services.store, services.database, asset_id, decision, call.job_id)
    services.publications.forget(asset_id)
    return await run_in_threadpool(show_asset, asset_id, services)


@router.post("/{asset_id}/retract", dependencies=[allow(Scope.WRITE)], responses={**NOT_FOUND, **NOT_NOW})
async def retract_asset(asset_id: str, call: RetractCall, services: ServicesDependency) -> AssetAnswer:
    """Reject the candidate that waits, or take the public version down: whichever is named. Asked again, it is done.

    What a person took down becomes public again only when a person says so: the next job's version waits. Copies at
    publish targets are taken away: `copies` lists those that a target did not let go of yet.
    """
    if (call.candidate is None) == (call.version is None):
        raise InvalidRequestError("Name what to retract: either `candidate` or `version`.", {"field": "candidate"})
    decision = await _decision(asset_id, call, services)
    if call.candidate is not None:
        await run_in_threadpool(reject, services.database, asset_id, decision, call.candidate)
    else:
        await run_in_threadpool(take_down, services.store, services.database, asset_id, decision, call.version)
        await withdraw_copies(asset_id, services)
        services.publications.forget(asset_id)
    return await run_in_threadpool(show_asset, asset_id, services)


@router.delete("/{asset_id}/copies/{target}", dependencies=[allow(Scope.WRITE)], responses=NOT_FOUND)
async def withdraw_from_target(asset_id: str, target: str, services: ServicesDependency) -> AssetAnswer:
    """Take away what a publish target has of an asset; what is public stays so, here and at other targets.

    For a target that recipes no longer name: it keeps the last version that it got. A new job whose recipe names it
    brings the copy back. `copies` lists what the target did not let go of yet.
    """
    await run_in_threadpool(check_asset, asset_id, services)
    await run_in_threadpool(want_withdrawn, asset_id, target, services)
    await withdraw_copies(asset_id, services)
    return await run_in_threadpool(show_asset, asset_id, services)


@router.get(
    "/{asset_id}/candidate/files/{path:path}",
    dependencies=[allow(Scope.READ)],
    response_class=Response,
    responses={**NOT_FOUND, **FILE_ANSWERS},
)
async def candidate_file(asset_id: str, path: str, request: Request, services: ServicesDependency) -> Response:
    """Serve one file of the version that waits, for a look at it; nobody on the way may keep it."""
    candidate = await run_in_threadpool(waiting_candidate, asset_id, services)
    return await serve_file(services.store, candidate.manifest, path, request, cache_control=CACHE_NOTHING)


@router.get(
    "/{asset_id}/candidate/frames/{number}",
    dependencies=[allow(Scope.READ)],
    response_class=Response,
    responses={**NOT_FOUND, **PICTURE},
)
async def candidate_frame(asset_id: str, number: int, services: ServicesDependency) -> Response:
    """Show one of the frames for which a version waits."""
    candidate = await run_in_threadpool(waiting_candidate, asset_id, services)
    found = candidate.manifest.moderation
    if found is None or not 1 <= number <= len(found.worst):
        raise NotFoundError(f"The candidate has no frame {number} to look at.")
    content = await run_in_threadpool(services.store.get_bytes, found.worst[number - 1].key)
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": CACHE_NOTHING})


async def _decision(asset_id: str, call: DecisionCall, services: Services) -> Decision:
    """Return what somebody decides about an asset of theirs; where people log in, they decide in their own name."""
    await run_in_threadpool(check_asset, asset_id, services)
    by = call.by if services.caller.id == LOCAL_USER else services.caller.name
    return Decision(by=by, at=datetime.now(UTC), reason=call.reason)
