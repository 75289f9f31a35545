"""Finding lines in the logs of all jobs, page by page, the latest first.

Words are looked for here: Prefect's own search of logs fails on SQLite before 3.44, which has no ``concat``.
"""

from collections.abc import AsyncIterator, Collection
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilterExpectedStartTime,
    LogFilter,
    LogFilterFlowRunId,
    LogFilterLevel,
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

SCAN_ROWS = 4_000
"""Most lines looked at for one page of a search for words; the page may then be short, with a cursor to go on."""


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
    text = (query.text or "").casefold()
    taken: list[Log] = []
    async for line in _lines(client, _filter(query, run_ids, position), position, SCAN_ROWS if text else limit + 1):
        if line is None:  # there may be more than could be looked at
            return _page(taken, position)
        if len(taken) == limit:
            return _page(taken, position)
        position = _after(position, line)
        if text in line.message.casefold():
            taken.append(line)
    return _page(taken, None)


def _page(lines: list[Log], position: LogPosition | None) -> Page[LogLine]:
    return Page(items=tuple(map(log_line, lines)), next=encode_line(position) if position else None)


def _filter(query: LogQuery, run_ids: Collection[UUID] | None, position: LogPosition | None) -> LogFilter:
    times = {"after_": query.since, "before_": position.at if position else query.until}
    known = {name: at for name, at in times.items() if at}
    return LogFilter(
        level=LogFilterLevel(ge_=query.level) if query.level else None,
        timestamp=LogFilterTimestamp.model_validate(known) if known else None,
        flow_run_id=LogFilterFlowRunId(any_=list(run_ids)) if run_ids is not None else None,
    )


async def _lines(
    client: PrefectClient, wanted: LogFilter, position: LogPosition | None, most: int
) -> AsyncIterator[Log | None]:
    """Read lines after a position, the latest first; ``None`` says that enough were looked at."""
    seen = set(position.seen) if position else set()
    offset = 0
    while offset < most:
        with translated():
            rows = await client.read_logs(
                log_filter=wanted, limit=PREFECT_ROWS, offset=offset, sort=LogSort.TIMESTAMP_DESC
            )
        for row in rows:
            # One that comes in meanwhile shifts the pages. Lines of no run are those of workers: nobody's job's.
            if row.id not in seen and row.flow_run_id is not None:
                seen.add(row.id)
                yield row
        offset += len(rows)
        if len(rows) < PREFECT_ROWS:
            return
    yield None


def _after(position: LogPosition | None, line: Log) -> LogPosition:
    is_same = position is not None and position.at == line.timestamp
    return LogPosition(line.timestamp, (*position.seen, line.id) if is_same and position else (line.id,))
