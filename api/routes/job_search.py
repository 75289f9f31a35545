"""Jobs in numbers, searched, changed, and what came of them."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.access import allow
from api.artifact_schemas import JobArtifacts
from api.asset_views import job_artifacts
from api.conditional import JOB_DECIDED_BY, JOB_MATCHES, told
from api.dependencies import ServicesDependency
from api.job_answers import page_answer
from api.job_views import with_asset
from api.routes.jobs import ILLEGAL_MOVE, NOT_FOUND, After, Limit
from api.schemas import Instant, Job, JobMetrics, JobPatch, JobQuery, Page
from data.domain.errors import FailureClass
from data.domain.identity import Scope
from data.domain.jobs import JobState

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get("/search", dependencies=[allow(Scope.READ)], response_model=Page[Job])
async def search_jobs(
    services: ServicesDependency,
    text: Annotated[str | None, Query(max_length=200, description="Found in title, id, source or metadata.")] = None,
    owner: Annotated[str | None, Query(max_length=200, description="Of this user; others' only for admins.")] = None,
    recipe: Annotated[str | None, Query(max_length=64)] = None,
    state: Annotated[list[JobState] | None, Query(description="Only these; may be given several times.")] = None,
    failure: Annotated[list[FailureClass] | None, Query(description="Only what failed by these.")] = None,
    created_after: Instant | None = None,
    created_before: Instant | None = None,
    after: After = None,
    limit: Limit = 50,
) -> Response:
    """Find jobs, the latest first. All that is given has to hold. A page may be short: go by `next`.

    The order never changes for a job, so that pages stay whole while others arrive and move on.
    """
    query = JobQuery(
        states=frozenset(state or ()),
        text=text,
        recipe=recipe,
        owner=owner,
        failures=frozenset(failure or ()),
        created_after=created_after,
        created_before=created_before,
    )
    return await page_answer(await services.gateway.find(query, after=after, limit=limit), services)


@router.get("/metrics", dependencies=[allow(Scope.READ)])
async def job_metrics(
    services: ServicesDependency,
    hours: Annotated[int, Query(ge=1, le=720, description="How long the window is that ends now.")] = 24,
) -> JobMetrics:
    """Show the jobs of a window in numbers: one's own, or everybody's for admins."""
    return await services.gateway.metrics(timedelta(hours=hours))


@router.patch("/{job_id}", dependencies=[allow(Scope.WRITE), JOB_MATCHES], responses={**NOT_FOUND, **ILLEGAL_MOVE})
async def change_job(job_id: str, body: JobPatch, services: ServicesDependency, response: Response) -> Job:
    """Change the title of a job that has not begun, the priority of one that has not ended, or the metadata of any.

    **Priority.** A job that waits to be started stays in the `queue` that it was handed in to. Raised, it starts before
    all others that wait there (those raised higher first, then as they were handed in); lowered, after all that wait
    there by then. It passes no other queue: a job handed in as `low` starts after those handed in as `default`, however
    high it is raised, and one handed in as `high` before them. A job that has started waits for encode slots with its
    new priority, within seconds also where it waits already, and there it counts across all queues. What it starts on
    the `gpu` pool from then on goes into the queue of its new priority.

    An item of a batch that has a job of its own may be changed like any job; what its batch has not handed in yet, and
    a further attempt, goes by the manifest.
    """
    job = await services.gateway.change(job_id, title=body.title, metadata=body.metadata, priority=body.priority)
    shown = await with_asset(job, services)
    response.headers["ETag"] = told(shown, JOB_DECIDED_BY).etag
    return shown


@router.get("/{job_id}/artifacts", dependencies=[allow(Scope.READ)], responses=NOT_FOUND)
async def artifacts_of_job(job_id: str, services: ServicesDependency) -> JobArtifacts:
    """Show what a job made, and where what it published plays.

    A video of words was made by a provider: which one, with which model, how long it took and what it cost is told.
    """
    job = await services.gateway.get(job_id)
    return await run_in_threadpool(job_artifacts, job.id, services)
