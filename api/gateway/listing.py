"""Finding jobs: by state, text and time, page by page in an order that never changes."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterExpectedStartTime
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from api.cursors import JobPosition
from api.gateway.jobs import failure_class, run_view
from api.gateway.runs import PREFECT_ROWS, due, job_filter
from api.gateway.translation import translated
from api.schemas import JobQuery
from data.domain.errors import FailureClass
from data.domain.jobs import JobState

SCAN_ROWS = 2000
"""Most runs looked at for one page of a text search; the page may then be short, with a cursor to go on."""

_STATE_TYPES: dict[JobState, frozenset[StateType]] = {
    JobState.QUEUED: frozenset({StateType.SCHEDULED, StateType.PENDING, StateType.CRASHED}),
    JobState.RUNNING: frozenset({StateType.RUNNING}),
    JobState.PAUSING: frozenset({StateType.PAUSED}),
    JobState.PAUSED: frozenset({StateType.PAUSED}),
    JobState.CANCELLING: frozenset({StateType.CANCELLING}),
    JobState.CANCELLED: frozenset({StateType.CANCELLED}),
    JobState.SUCCEEDED: frozenset({StateType.COMPLETED}),
    JobState.FAILED: frozenset({StateType.FAILED, StateType.CRASHED}),
}
"""Prefect's types that may look like a job state; the exact view is taken afterwards, run by run."""


async def find_runs(
    client: PrefectClient,
    query: JobQuery,
    position: JobPosition | None,
    limit: int,
    crash_attempts: int,
    owner: str | None = None,
) -> tuple[list[FlowRun], JobPosition | None]:
    """Collect the runs of matching jobs; the position is where to go on, ``None`` at the end."""
    if query.owner and owner not in (None, query.owner):
        return [], None
    types = types_of(query)
    runs_filter = job_filter(types, owner or query.owner)
    is_selective = bool(query.text or query.recipe or query.failures) or bool(
        types & {StateType.CRASHED, StateType.PAUSED}
    )
    rows = PREFECT_ROWS - 1 if is_selective else min(limit + 1, PREFECT_ROWS - 1)
    found: list[FlowRun] = []
    scanned = 0
    while True:
        batch = await _runs_after(client, runs_filter, query, position, rows)
        for run in batch:
            if len(found) == limit:
                return found, position
            position = JobPosition(due(run), run.id)
            if matches(run, query, crash_attempts):
                found.append(run)
        scanned += len(batch)
        if len(batch) < rows:
            return found, None
        if scanned >= SCAN_ROWS:
            return found, position


def types_of(query: JobQuery) -> frozenset[StateType]:
    """Return Prefect's types of states in which what is asked for may be; none where it may be in any."""
    return frozenset(chain.from_iterable(_STATE_TYPES[state] for state in query.states or _failing(query)))


def state_types() -> dict[JobState, frozenset[StateType]]:
    """Return Prefect's types for counting jobs by state: crashed counts as failed, pausing as paused."""
    types: dict[JobState, frozenset[StateType]] = dict(_STATE_TYPES)
    del types[JobState.PAUSING]
    types[JobState.QUEUED] -= {StateType.CRASHED}
    return types


async def count_runs(client: PrefectClient, states: Iterable[JobState], owner: str | None = None) -> dict[str, int]:
    """Return how many jobs Prefect holds in each of the states; crashed counts as failed, pausing as paused."""
    types = {state: each for state, each in state_types().items() if state in set(states)}
    with translated():
        counts = await asyncio.gather(
            *(client.count_flow_runs(flow_run_filter=job_filter(each, owner)) for each in types.values())
        )
    return {state.value: count for state, count in zip(types, counts, strict=True)}


def _failing(query: JobQuery) -> frozenset[JobState]:
    """Return the states that a job of some failure class can be in; none where no class is asked for."""
    if not query.failures:
        return frozenset()
    cancelled = {JobState.CANCELLED} if FailureClass.CANCELLED in query.failures else set()
    return frozenset({JobState.FAILED, *cancelled})


def matches(run: FlowRun, query: JobQuery, crash_attempts: int) -> bool:
    """Say whether a run is what is asked for, but for its owner and its time."""
    view = run_view(run, crash_attempts)
    if query.states and view.state not in query.states:
        return False
    if query.failures and failure_class(view) not in query.failures:
        return False
    if query.recipe and run.parameters.get("recipe", "default") != query.recipe:
        return False
    return not query.text or query.text.casefold() in f"{run.name}\n{run.id}\n{run.parameters}".casefold()


async def _runs_after(
    client: PrefectClient, runs_filter: FlowRunFilter, query: JobQuery, position: JobPosition | None, limit: int
) -> list[FlowRun]:
    """Read up to ``limit`` runs that follow a position in the order (due, id), both descending.

    Prefect sorts by due time alone, so runs that are due at the same microsecond (a batch created in one call) are
    read apart, by id, where a page begins or ends among them.
    """
    before = position.due_at - timedelta(microseconds=1) if position else query.created_before
    window = _due_between(query.created_after, before)
    # Few are due at one instant: what follows them is asked for at the same time.
    runs, batch = await asyncio.gather(
        _tied_runs(client, runs_filter, position.due_at, position.id, limit) if position else _none(),
        _read_runs(client, runs_filter, window, FlowRunSort.EXPECTED_START_TIME_DESC, limit + 1),
    )
    missing = limit - len(runs)
    if missing <= 0:
        return runs
    batch = batch[: missing + 1]
    if len(batch) > missing and due(batch[-1]) == due(batch[-2]):
        tie = due(batch[-1])
        batch = [run for run in batch if due(run) > tie]
        runs += sorted(batch, key=listed_order)
        return runs + await _tied_runs(client, runs_filter, tie, None, limit - len(runs))
    return runs + sorted(batch[:missing], key=listed_order)


async def _none() -> list[FlowRun]:
    return []


async def _tied_runs(
    client: PrefectClient, runs_filter: FlowRunFilter, due_at: datetime, below: UUID | None, limit: int
) -> list[FlowRun]:
    instant = _due_between(due_at, due_at)
    runs: list[FlowRun] = []
    offset = 0
    while len(runs) < limit:
        rows = await _read_runs(client, runs_filter, instant, FlowRunSort.ID_DESC, PREFECT_ROWS, offset)
        runs += [run for run in rows if below is None or run.id < below]
        offset += len(rows)
        if len(rows) < PREFECT_ROWS:
            break
    return runs[:limit]


async def _read_runs(
    client: PrefectClient,
    runs_filter: FlowRunFilter,
    window: FlowRunFilterExpectedStartTime,
    sort: FlowRunSort,
    limit: int,
    offset: int = 0,
) -> list[FlowRun]:
    with translated():
        return await client.read_flow_runs(
            flow_run_filter=runs_filter.model_copy(update={"expected_start_time": window}),
            sort=sort,
            limit=limit,
            offset=offset,
        )


def _due_between(after: datetime | None, before: datetime | None) -> FlowRunFilterExpectedStartTime:
    bounds = {"after_": after, "before_": before}
    return FlowRunFilterExpectedStartTime.model_validate({name: at for name, at in bounds.items() if at})


def listed_order(run: FlowRun) -> tuple[float, int]:
    """Return what sorts runs as they are listed: the latest due first."""
    return -due(run).timestamp(), -run.id.int
