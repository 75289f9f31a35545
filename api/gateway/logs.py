"""Reading logs: the lines of a job and of its children as one log, which can be followed while it grows."""

import asyncio
import logging
from itertools import chain
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId, LogFilterLevel, LogFilterTimestamp
from prefect.client.schemas.objects import Log
from prefect.client.schemas.sorting import LogSort

from api.cursors import LogPosition, decode_log_positions, encode_log_positions
from api.gateway.runs import PREFECT_ROWS, read_descendants
from api.gateway.translation import translated
from api.schemas import LogLine, LogPage


async def read_log_page(
    client: PrefectClient, run_id: UUID, *, level: int, after: str | None, limit: int, has_ended: bool
) -> LogPage:
    """Return log lines of a run and of its children, merged by time, oldest first.

    Args:
        client: Prefect's.
        run_id: The job's own run.
        level: Lowest level of a line, in Python's numbers.
        after: The cursor of the page before.
        limit: Most lines of the page.
        has_ended: No more lines will come, so the last page has no cursor.

    Raises:
        InvalidRequestError: ``after`` is no cursor.
    """
    positions = decode_log_positions(after) if after else {}

    async def lines_of(each: UUID) -> list[Log]:
        return await _read_lines(client, each, level, positions.get(each), limit)

    # Most jobs have no children: their own lines need not wait for that to be known.
    own, children = await asyncio.gather(lines_of(run_id), read_descendants(client, run_id))
    per_run = [own, *await asyncio.gather(*(lines_of(child.id) for child in children))]
    lines = sorted(chain.from_iterable(per_run), key=lambda line: (line.timestamp, str(line.id)))
    taken = lines[:limit]
    is_complete = has_ended and len(lines) <= limit
    return LogPage(
        items=tuple(log_line(line) for line in taken),
        next=None if is_complete else encode_log_positions(_advanced(positions, taken)),
    )


def nothing_logged() -> LogPage:
    """Return the page of a job that has not begun: Prefect need not be asked, and there is more to come."""
    return LogPage(items=(), next=encode_log_positions({}))


async def _read_lines(
    client: PrefectClient, run_id: UUID, level: int, position: LogPosition | None, limit: int
) -> list[Log]:
    """Read one more line than asked, if there are so many, after a position in one run's log."""
    wanted = LogFilter(
        flow_run_id=LogFilterFlowRunId(any_=[run_id]),
        level=LogFilterLevel(ge_=level),
        timestamp=LogFilterTimestamp(after_=position.at) if position else None,
    )
    seen = frozenset(position.seen) if position else frozenset[UUID]()
    lines: list[Log] = []
    offset = 0
    while len(lines) <= limit:
        with translated():
            rows = await client.read_logs(
                log_filter=wanted, limit=PREFECT_ROWS, offset=offset, sort=LogSort.TIMESTAMP_ASC
            )
        lines += [row for row in rows if row.id not in seen]
        offset += len(rows)
        if len(rows) < PREFECT_ROWS:
            break
    return lines[: limit + 1]


def _advanced(positions: dict[UUID, LogPosition], lines: list[Log]) -> dict[UUID, LogPosition]:
    """Move each run's position behind the lines that were given out."""
    moved = dict(positions)
    for line in lines:
        if line.flow_run_id is None:
            continue
        old = moved.get(line.flow_run_id)
        seen = old.seen if old and old.at == line.timestamp else ()
        moved[line.flow_run_id] = LogPosition(line.timestamp, (*seen, line.id))
    return moved


def log_line(line: Log) -> LogLine:
    """Return a line as users of the API see it."""
    return LogLine(
        at=line.timestamp,
        level=logging.getLevelName(line.level),
        logger=line.name,
        message=line.message,
        run_id=str(line.flow_run_id),
        task_run_id=str(line.task_run_id) if line.task_run_id else None,
    )
