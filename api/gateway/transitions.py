"""What runs went through since somebody last looked, from Prefect's state store.

Prefect cannot be asked for the states of all runs since a time; it can be asked for the runs that are at work, and for
those that ended since then. Whose state is another than the last time is asked for its history, so that states which
came and went in between are seen, too. Waiting runs change rarely and may be many: they are looked at less often, and
nothing is lost by it, because a run's history has everything.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterEndTime, FlowRunFilterTags
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from api.gateway.histories import Histories
from api.gateway.jobs import transitions
from api.gateway.runs import PREFECT_ROWS, state_filter
from api.gateway.translation import translated
from data.domain.errors import NotFoundError
from data.domain.jobs import BATCH_TAG, ITEM_TAG, JOB_TAG, JobState
from data.telemetry.tracing import TRACE_LABEL, trace_id_of

OVERLAP = timedelta(minutes=5)
"""Prefect's time of an end is that of the process which ended: clocks differ, and reports come late."""
WAITING_EVERY = 10
"""Waiting runs are looked at in one of so many reads."""
_OURS = FlowRunFilterTags(any_=[JOB_TAG, ITEM_TAG, BATCH_TAG])
_AT_WORK = frozenset({StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING})
_HISTORIES_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class RunTransition:
    """That a run came into a state."""

    state_id: str
    """Prefect's id of the state: the same transition is known by it, however often it is read."""
    run_id: str
    tags: tuple[str, ...]
    at: datetime
    state: JobState
    previous: JobState | None
    reason: str | None
    message: str | None
    trace_id: str | None


@dataclass(frozen=True)
class Moves:
    """What one read found; the reader forgets it again unless it is told that it was taken."""

    transitions: tuple[RunTransition, ...]
    """Oldest first within a run; of all runs by time."""
    seen: Mapping[UUID, UUID]
    read_at: datetime


class TransitionReader:
    """Reads what moved, again and again; lives as long as its collector.

    Args:
        client: Prefect's.
        histories: What the other reader of histories has read already.
        since: Runs that ended before it are not looked at.
        crash_attempts: How often a run may start before a crash is final.
    """

    def __init__(self, client: PrefectClient, histories: Histories, since: datetime, crash_attempts: int) -> None:
        self._client = client
        self._histories = histories
        self._since = since
        self._crash_attempts = crash_attempts
        self._seen: dict[UUID, UUID] = {}
        self._reads = 0

    async def read(self, now: datetime) -> Moves:
        """Return what moved since the last read that was taken; the first one returns whole histories.

        Raises:
            OrchestratorUnavailableError: Prefect is away; nothing is lost.
        """
        types = _AT_WORK if self._reads % WAITING_EVERY else _AT_WORK | {StateType.SCHEDULED}
        # Those at work first: one that ends in between is then found among the ended.
        runs = await self._runs(FlowRunFilter(tags=_OURS, state=state_filter(types)))
        ended = FlowRunFilterEndTime(after_=self._since - OVERLAP)
        runs += await self._runs(FlowRunFilter(tags=_OURS, state=state_filter(TERMINAL_STATES), end_time=ended))
        current = {run.id: run for run in runs if run.state_id is not None}
        moved = [run for run in current.values() if self._seen.get(run.id) != run.state_id]
        gate = asyncio.Semaphore(_HISTORIES_AT_ONCE)
        histories = await asyncio.gather(*(self._history(run, gate) for run in moved))
        found = sorted((each for history in histories for each in history), key=lambda each: each.at)
        seen = {run.id: run.state_id for run in current.values() if run.state_id is not None}
        return Moves(tuple(found), seen, now)

    def taken(self, moves: Moves) -> None:
        """Note that what a read found has been taken by everybody."""
        waiting = {} if self._reads % WAITING_EVERY == 0 else self._seen
        self._seen = {**waiting, **moves.seen}
        self._since = moves.read_at
        self._reads += 1

    async def _history(self, run: FlowRun, gate: asyncio.Semaphore) -> list[RunTransition]:
        """Return the states of a run that came after the last one seen."""
        async with gate:
            try:
                states = await self._histories.read(run)
            except NotFoundError:  # somebody deleted it just now
                return []
        ids = [state.id for state in states]
        last = self._seen.get(run.id)
        begin = ids.index(last) + 1 if last in ids else 0
        told = transitions(run, states, self._crash_attempts)
        return [
            RunTransition(
                state_id=str(ids[place]),
                run_id=str(run.id),
                tags=tuple(run.tags),
                at=told[place].at,
                state=told[place].state,
                previous=told[place - 1].state if place else None,
                reason=told[place].reason,
                message=told[place].message,
                trace_id=trace_id_of(str(run.labels.get(TRACE_LABEL) or "")),
            )
            for place in range(begin, len(told))
        ]

    async def _runs(self, wanted: FlowRunFilter) -> list[FlowRun]:
        found: list[FlowRun] = []
        while True:
            with translated():
                rows = await self._client.read_flow_runs(
                    flow_run_filter=wanted, sort=FlowRunSort.ID_DESC, limit=PREFECT_ROWS, offset=len(found)
                )
            found += rows
            if len(rows) < PREFECT_ROWS:
                return found
