"""Finding lines in the logs of all jobs, page by page, the latest first."""

from collections.abc import Collection
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilterExpectedStartTime,
    LogFilter,
    LogFilterFlowRunId,
    LogFilterLevel,
    LogFilterTextSearch,
    LogFilterTimestamp,
)
from prefect.client.schemas.objects import FlowRun, Log
from prefect.client.schemas.sorting import FlowRunSort, LogSort

from api.cursors import LogPosition, decode_line, encode_line
from api.gateway.logs import log_line
from api.gateway.runs import PREFECT_ROWS, job_filter, read_children, read_descendants
from api.gateway.translation import translated
from api.schemas import LogLine, LogQuery, Page

MOST_JOBS = 1_000
"""Of one owner, the latest: lines know their run, and Prefect finds no lines by owner."""


async def searched_runs(
    client: PrefectClient, run: FlowRun | None, query: LogQuery, owner: str | None
) -> tuple[UUID, ...] | None:
    """Return the runs whose logs are searched; ``None`` is all.

    Args:
        client: Prefect's.
        run: Of the one job whose log is searched.
        query: What is searched for.
        owner: Whose jobs alone; ``None`` is everybody's.
    """
    if run is not None:
        return run.id, *(child.id for child in await read_descendants(client, run.id))
    if owner is None:
        return None
    due = {"before_": query.until} if query.until else {}
    wanted = job_filter((), owner).model_copy(
        update={"expected_start_time": FlowRunFilterExpectedStartTime.model_validate(due) if due else None}
    )
    jobs: list[UUID] = []
    while len(jobs) < MOST_JOBS:
        with translated():
            rows = await client.read_flow_runs(
                flow_run_filter=wanted,
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=PREFECT_ROWS,
                offset=len(jobs),
            )
        jobs += [row.id for row in rows]
        if len(rows) < PREFECT_ROWS:
            break
    return *jobs, *(child.id for child in await read_children(client, jobs))


async def search_logs(
    client: PrefectClient, query: LogQuery, run_ids: Collection[UUID] | None, *, after: str | None, limit: int
) -> Page[LogLine]:
    """Return a page of lines, the latest first.

    Raises:
        InvalidRequestError: ``after`` is no cursor.
    """
    position = decode_line(after) if after else None
    if run_ids is not None and not run_ids:
        return Page(items=())
    lines = await _read(client, _filter(query, run_ids, position), position, limit)
    taken = lines[:limit]
    return Page(
        items=tuple(log_line(line) for line in taken),
        next=encode_line(_after(position, taken)) if len(lines) > limit else None,
    )


def _filter(query: LogQuery, run_ids: Collection[UUID] | None, position: LogPosition | None) -> LogFilter:
    times = {"after_": query.since, "before_": position.at if position else query.until}
    known = {name: at for name, at in times.items() if at}
    # In quotes it is looked for as it is: without, a minus would exclude and a blank mean "or".
    phrase = (query.text or "").replace('"', " ").strip()
    return LogFilter(
        level=LogFilterLevel(ge_=query.level) if query.level else None,
        timestamp=LogFilterTimestamp.model_validate(known) if known else None,
        flow_run_id=LogFilterFlowRunId(any_=list(run_ids)) if run_ids is not None else None,
        text=LogFilterTextSearch(query=f'"{phrase}"') if phrase else None,
    )


async def _read(client: PrefectClient, wanted: LogFilter, position: LogPosition | None, limit: int) -> list[Log]:
    """Read one more line than asked, if there are so many, after a position."""
    found: dict[UUID, Log] = {}
    seen = frozenset(position.seen) if position else frozenset[UUID]()
    offset = 0
    while len(found) <= limit:
        with translated():
            rows = await client.read_logs(
                log_filter=wanted, limit=PREFECT_ROWS, offset=offset, sort=LogSort.TIMESTAMP_DESC
            )
        # Lines of no run are those of workers: they belong to nobody's job.
        found |= {row.id: row for row in rows if row.id not in seen and row.flow_run_id is not None}
        offset += len(rows)
        if len(rows) < PREFECT_ROWS:
            break
    return list(found.values())[: limit + 1]


def _after(position: LogPosition | None, lines: list[Log]) -> LogPosition:
    last = lines[-1].timestamp
    seen = tuple(line.id for line in lines if line.timestamp == last)
    return LogPosition(last, (*position.seen, *seen) if position and position.at == last else seen)
