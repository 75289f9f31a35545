"""Analysis: what was seen and heard in an asset, its events page by page, its files, and the order to look."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from api.access import allow
from api.analyses import analysis_of_job, asset_name, find_analysis, page_of_events, show_analysis
from api.analysis_schemas import AnalysisAnswer, AnalysisSubmission, AnalyzeCall, EventQuery
from api.dependencies import Services, ServicesDependency
from api.idempotency import Answered, KeyHeader, once
from api.job_views import shown_job
from api.links import job_url
from api.playback import CACHE_NOTHING
from api.schemas import Job, Page, Problem
from api.serving import FILE_ANSWERS, serve_file
from api.submission import checked_source
from api.webhooks import endpoints_of_job
from data.domain.analysis import Event, EventKind
from data.domain.identity import Scope
from data.domain.jobs import JobDeployment, webhook_tag

router = APIRouter()

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}
GONE: dict[int | str, dict[str, Any]] = {**NOT_FOUND, 410: {"model": Problem}}
After = Annotated[str | None, Query(max_length=500, description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Most events of one page.")]
Key = Annotated[
    str | None, Query(alias="analysis", max_length=64, description="The `key` of an analysis; the latest by default.")
]


def chosen(
    kinds: Annotated[
        list[EventKind] | None, Query(alias="type", description="Only these; may be given several times.")
    ] = None,
    track: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="Only those of this track.")] = None,
    zone: Annotated[str | None, Query(max_length=40, description="Only those of this zone or line.")] = None,
    from_seconds: Annotated[
        float | None, Query(alias="from", ge=0, allow_inf_nan=False, description="From this second on.")
    ] = None,
    to_seconds: Annotated[
        float | None, Query(alias="to", ge=0, allow_inf_nan=False, description="Up to this second.")
    ] = None,
) -> EventQuery:
    """Return which events a call asks for."""
    return EventQuery(
        kinds=frozenset(kinds or ()), track=track, zone=zone, from_seconds=from_seconds, to_seconds=to_seconds
    )


Chosen = Annotated[EventQuery, Depends(chosen)]


@router.get("/assets/{asset_id}/analysis", tags=["assets"], dependencies=[allow(Scope.READ)], responses=GONE)
async def asset_analysis(asset_id: str, services: ServicesDependency, key: Key = None) -> AnalysisAnswer:
    """Show what was found in an asset: a summary, and where tables, charts and the annotated video are."""
    return show_analysis(await run_in_threadpool(find_analysis, asset_id, services, key))


@router.get("/assets/{asset_id}/events", tags=["assets"], dependencies=[allow(Scope.READ)], responses=GONE)
async def asset_events(
    asset_id: str,
    services: ServicesDependency,
    query: Chosen,
    key: Key = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[Event]:
    """List the events that were found in an asset, by time. A page may be short although more follows: go by `next`."""
    found = await run_in_threadpool(find_analysis, asset_id, services, key)
    return await run_in_threadpool(page_of_events, services.store, found.report, query, after, limit)


@router.get("/jobs/{job_id}/events", tags=["jobs"], dependencies=[allow(Scope.READ)], responses=GONE)
async def job_events(
    job_id: str,
    services: ServicesDependency,
    query: Chosen,
    after: After = None,
    limit: Limit = 100,
) -> Page[Event]:
    """List the events that a job's analysis found, by time; 404 until there is one, 410 once it was cleared away."""
    job = await services.gateway.get(job_id)
    asset_id = await services.assets_of_jobs.get(job.id)
    found = await run_in_threadpool(analysis_of_job, job, asset_id, services)
    return await run_in_threadpool(page_of_events, services.store, found.report, query, after, limit)


@router.get(
    "/assets/{asset_id}/analysis/{key}/files/{name}",
    tags=["assets"],
    dependencies=[allow(Scope.READ)],
    response_class=Response,
    responses={**GONE, **FILE_ANSWERS},
)
async def analysis_file(asset_id: str, key: str, name: str, request: Request, services: ServicesDependency) -> Response:
    """Serve one file of an analysis, whole or a byte range of it; nobody on the way may keep it."""
    report = (await run_in_threadpool(find_analysis, asset_id, services, key)).report
    api = services.settings.api
    if api.redirect_media and name in report.files:
        place = report.prefix + name
        address = await run_in_threadpool(services.store.presigned_url, place, api.presigned_seconds)
        if address is not None:
            return RedirectResponse(address, 307, {"Cache-Control": CACHE_NOTHING})
    return await serve_file(services.store, report, name, request, cache_control=CACHE_NOTHING)


@router.post(
    "/assets/{asset_id}/analyze",
    tags=["assets"],
    dependencies=[allow(Scope.WRITE)],
    status_code=202,
    response_model=Job,
    responses={**NOT_FOUND, 409: {"model": Problem}, 422: {"model": Problem}},
)
async def analyze_asset(
    asset_id: str,
    body: AnalyzeCall,
    request: Request,
    services: ServicesDependency,
    idempotency_key: KeyHeader = None,
) -> Response:
    """Have an asset looked at, without publishing anything; the same options again find what was found.

    What is public of it is looked at, else its source. Follow the job; `/assets/{id}/analysis` has what it came to.
    """
    name = await run_in_threadpool(asset_name, asset_id, services)
    submitting = _submitting({"asset_id": asset_id}, name, asset_id, body, services)
    return await once(services, request, idempotency_key, body.model_dump(mode="json"), submitting)


@router.post(
    "/analyses",
    tags=["jobs"],
    dependencies=[allow(Scope.WRITE)],
    status_code=202,
    response_model=Job,
    responses={409: {"model": Problem}, 422: {"model": Problem}},
)
async def analyze_source(
    body: AnalysisSubmission, request: Request, services: ServicesDependency, idempotency_key: KeyHeader = None
) -> Response:
    """Have a file looked at that is no asset yet. It becomes one, of the caller's alone; nothing of it is published.

    Follow the job; its `asset_id` leads to `/assets/{id}/analysis`, and `/jobs/{id}/events` has the events.
    """
    name = await checked_source(body.source, services)
    submitting = _submitting({"source": body.source}, name, None, body, services)
    return await once(services, request, idempotency_key, body.model_dump(mode="json"), submitting)


def _submitting(
    subject: dict[str, str], name: str, asset_id: str | None, body: AnalyzeCall, services: Services
) -> Callable[[str | None], Awaitable[Answered]]:
    """Return what hands an analysis in.

    Args:
        subject: What to look at, as the flow takes it.
        name: What to call the run where the call gives no title.
        asset_id: Of the asset, where it is one already.
        body: The call.
        services: The doors.
    """

    async def submit(prefect_key: str | None) -> Answered:
        options = body.options.model_dump(mode="json", exclude={"enabled"}, exclude_defaults=True)
        told = await run_in_threadpool(endpoints_of_job, services, services.caller, body.webhooks, prefect_key)
        job = await services.gateway.submit(
            {**subject, "options": options, "title": body.title, "metadata": body.metadata},
            title=body.title or name,
            priority=body.priority,
            max_retries=body.max_retries,
            idempotency_key=prefect_key,
            tags=[webhook_tag(each) for each in told],
            deployment=JobDeployment.ANALYZE,
        )
        return Answered(202, shown_job(job, asset_id, services).model_dump(mode="json"), job_url(job.id))

    return submit
