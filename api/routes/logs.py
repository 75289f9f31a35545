"""Logs of all jobs."""

import logging
from typing import Annotated

from fastapi import APIRouter, Query

from api.access import allow
from api.dependencies import ServicesDependency
from api.routes.jobs import NOT_FOUND, After, Limit
from api.schemas import Instant, LogLevel, LogLine, LogQuery, Page
from data.domain.identity import Scope

router = APIRouter(prefix="/logs", tags=["logs"])


@router.get("/search", dependencies=[allow(Scope.READ)], responses=NOT_FOUND)
async def search_logs(
    services: ServicesDependency,
    text: Annotated[str | None, Query(max_length=190, description="Found in the line, whatever its case.")] = None,
    level: Annotated[LogLevel, Query(description="This level and above.")] = LogLevel.DEBUG,
    job: Annotated[str | None, Query(max_length=100, description="Only the log of this job.")] = None,
    since: Instant | None = None,
    until: Instant | None = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[LogLine]:
    """Find lines in the logs, the latest first: of all runs for admins, else of one's own latest 1,000 jobs."""
    query = LogQuery(text=text, level=logging.getLevelName(level.value), job_id=job, since=since, until=until)
    return await services.gateway.search_logs(query, after=after, limit=limit)
