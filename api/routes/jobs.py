"""Jobs: hand them in, watch them, stop them, try them again."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.access import CallerDependency, allow
from api.conditional import JOB_MATCHES, check_job
from api.dependencies import Services, ServicesDependency
from api.idempotency import Answered, KeyHeader, MoveDependency, once
from api.job_answers import page_answer
from api.job_views import shown_job, with_asset
from api.links import job_url
from api.schemas import MAX_CURSOR_CHARACTERS, History, Instant, Job, JobQuery, LogLevel, LogPage, Page, Problem
from api.submission import checked_submission
from api.webhook_schemas import JobSubmission
from api.webhooks import endpoints_of_job, tell_before_deletion
from data.domain.identity import Scope
from data.domain.jobs import JobState, PauseMode, webhook_tag

router = APIRouter(prefix="/jobs", tags=["jobs"])

Responses = dict[int | str, dict[str, Any]]
Limit = Annotated[int, Query(ge=1, le=200, description="Most items of one page.")]
After = Annotated[str | None, Query(max_length=MAX_CURSOR_CHARACTERS, description="The `next` of the page before.")]
NOT_FOUND: Responses = {404: {"model": Problem}}
ILLEGAL_MOVE: Responses = {
    409: {"model": Problem, "description": "The state of the job does not allow it; `facts.allowed` says what."},
    412: {"model": Problem, "description": "It is not as the caller has seen it (`If-Match`)."},
}


@router.post(
    "",
    dependencies=[allow(Scope.WRITE)],
    status_code=202,
    response_model=Job,
    responses={422: {"model": Problem}, 409: {"model": Problem}},
)
async def submit_job(
    body: JobSubmission,
    request: Request,
    services: ServicesDependency,
    caller: CallerDependency,
    idempotency_key: KeyHeader = None,
) -> Response:
    """Hand in a source to be processed. Answers at once; the job waits in the queue of its priority.

    With an `Idempotency-Key` the same call can be sent again safely: it gets the first call's answer.
    """

    async def submit(prefect_key: str | None) -> Answered:
        submission = await checked_submission(body, services)
        told = await run_in_threadpool(endpoints_of_job, services, caller, body.webhooks, prefect_key)
        job = await services.gateway.submit(
            submission.parameters,
            title=submission.title,
            priority=body.priority,
            max_retries=body.max_retries,
            idempotency_key=prefect_key,
            tags=[webhook_tag(each) for each in told],
        )
        shown = shown_job(job, None, services)
        return Answered(202, shown.model_dump(mode="json"), job_url(job.id))

    return await once(services, request, idempotency_key, body.model_dump(mode="json"), submit)


@router.get("", dependencies=[allow(Scope.READ)], response_model=Page[Job])
async def list_jobs(
    services: ServicesDependency,
    state: Annotated[list[JobState] | None, Query(description="Only these; may be given several times.")] = None,
    text: Annotated[str | None, Query(max_length=200, description="Found in title, id, source or metadata.")] = None,
    created_after: Instant | None = None,
    created_before: Instant | None = None,
    after: After = None,
    limit: Limit = 50,
) -> Response:
    """List jobs, the latest first. A page of a text search may be short although more follows: go by `next`."""
    query = JobQuery(
        states=frozenset(state or ()), text=text, created_after=created_after, created_before=created_before
    )
    return await page_answer(await services.gateway.find(query, after=after, limit=limit), services)


@router.get("/{job_id}/logs", dependencies=[allow(Scope.READ)], responses=NOT_FOUND)
async def job_logs(
    job_id: str,
    services: ServicesDependency,
    level: Annotated[LogLevel, Query(description="This level and above.")] = LogLevel.DEBUG,
    after: After = None,
    limit: Limit = 100,
) -> LogPage:
    """Show what a job logged, on whatever pool, oldest first. While it runs, `next` is set: ask again with it."""
    return await services.gateway.logs(job_id, level=logging.getLevelName(level.value), after=after, limit=limit)


@router.get("/{job_id}/history", dependencies=[allow(Scope.READ)], responses=NOT_FOUND)
async def job_history(job_id: str, services: ServicesDependency) -> History:
    """Show the states that a job went through, oldest first."""
    return History(items=await services.gateway.history(job_id))


@router.post(
    "/{job_id}/cancel",
    dependencies=[allow(Scope.WRITE), JOB_MATCHES],
    status_code=202,
    responses={**NOT_FOUND, **ILLEGAL_MOVE},
)
async def cancel_job(job_id: str, services: ServicesDependency, response: Response) -> Job:
    """Stop a job. One that waits is `cancelled` at once; one that runs is `cancelling` until its process has ended."""
    job = await services.gateway.cancel(job_id)
    response.headers["Location"] = job_url(job.id)
    return await with_asset(job, services)


@router.post(
    "/{job_id}/retry",
    dependencies=[allow(Scope.WRITE)],
    status_code=202,
    response_model=Job,
    responses={**NOT_FOUND, **ILLEGAL_MOVE},
)
async def retry_job(job_id: str, call: MoveDependency) -> Response:
    """Queue a failed or cancelled job again, under its id. Steps that had finished are not done again.

    With an `Idempotency-Key` the same call can be sent again safely: it gets the first call's answer.
    """

    async def retry() -> Answered:
        return await _moved(await call.services.gateway.retry(job_id), call.services)

    return await call.once(job_id, check_job, retry)


@router.post(
    "/{job_id}/pause",
    dependencies=[allow(Scope.WRITE), JOB_MATCHES],
    status_code=202,
    responses={**NOT_FOUND, **ILLEGAL_MOVE},
)
async def pause_job(
    job_id: str,
    services: ServicesDependency,
    response: Response,
    mode: Annotated[PauseMode, Query(description="`at_once` ends the step under way; it is redone when resumed.")] = (
        PauseMode.AFTER_STEP
    ),
) -> Job:
    """Stop a job for a while. One that waits is `paused` at once; one that runs is `pausing` until its work has ended.

    A paused job holds nothing and stays paused until somebody resumes or cancels it.
    """
    job = await services.gateway.pause(job_id, mode)
    response.headers["Location"] = job_url(job.id)
    return await with_asset(job, services)


@router.post(
    "/{job_id}/resume",
    dependencies=[allow(Scope.WRITE)],
    status_code=202,
    response_model=Job,
    responses={**NOT_FOUND, **ILLEGAL_MOVE},
)
async def resume_job(job_id: str, call: MoveDependency) -> Response:
    """Queue a paused job again. Steps that had finished are not done again.

    With an `Idempotency-Key` the same call can be sent again safely: it gets the first call's answer.
    """

    async def resume() -> Answered:
        return await _moved(await call.services.gateway.resume(job_id), call.services)

    return await call.once(job_id, check_job, resume)


@router.delete(
    "/{job_id}",
    dependencies=[allow(Scope.WRITE), JOB_MATCHES],
    status_code=204,
    responses={**NOT_FOUND, **ILLEGAL_MOVE},
)
async def delete_job(job_id: str, services: ServicesDependency) -> None:
    """Forget a job that has ended, with its history and logs. What it published stays."""
    await tell_before_deletion(services, job_id)
    await services.gateway.delete(job_id)


async def _moved(job: Job, services: Services) -> Answered:
    shown = await with_asset(job, services)
    return Answered(202, shown.model_dump(mode="json"), job_url(job.id))
