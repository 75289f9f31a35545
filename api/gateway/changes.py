"""Which jobs changed: found by their states, which Prefect keeps, and not by its events, which it may lose.

Prefect cannot be asked for "all that changed since". But a run that changed is either under way (there are few of
these: workers have slots), or it ended since (found by its end), or it was scheduled since (found by the time it is
due, which is then later), or it was raised in the queue (found by that time, which is then long ago). A run is looked
at closer when its state is another than the one that was seen last.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterNextScheduledStartTime,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort

from api.gateway.histories import Histories
from api.gateway.jobs import transitions
from api.gateway.runs import PREFECT_ROWS, job_filter
from api.gateway.translation import translated
from data.domain.identity import owner_of
from data.domain.jobs import ITEM_TAG, RAISE_STEP, webhooks_of
from data.domain.tidings import JobMoment, JobStory
from data.telemetry.tracing import TRACE_LABEL

_UNDER_WAY = (StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)
_ENDED = (StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED)
_AT_ONCE = 8
"""How many histories are read at once."""
_CHUNK = 64


async def changed_stories(
    client: PrefectClient,
    histories: Histories,
    since: datetime,
    seen: Mapping[str, str],
    *,
    is_thorough: bool,
    crash_attempts: int,
) -> AsyncIterator[tuple[JobStory, ...]]:
    """Read the whole histories of the jobs whose state is another than it was.

    Args:
        client: Prefect's.
        histories: What the other reader of histories has read already.
        since: What ended or was scheduled before is not looked for.
        seen: The id of the last state seen, by job.
        is_thorough: Look at all that changed since, not only until what was seen already is met.
        crash_attempts: How often a run may start before a crash is final.

    Yields:
        Some of them, so that those who are told need not wait for the last.
    """
    changed: dict[str, FlowRun] = {}
    async for run in _candidates(client, since, seen, is_thorough=is_thorough):
        if not is_seen(run, seen):
            changed[str(run.id)] = run
    runs = list(changed.values())
    for start in range(0, len(runs), _CHUNK):
        yield await read_stories(histories, runs[start : start + _CHUNK], crash_attempts)


async def read_stories(histories: Histories, runs: Iterable[FlowRun], crash_attempts: int) -> tuple[JobStory, ...]:
    """Read the histories of runs; those of runs that were deleted meanwhile are empty, and left out."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(run: FlowRun) -> JobStory:
        async with gate:
            return _story(run, await histories.read(run), crash_attempts)

    stories = await asyncio.gather(*map(read, runs))
    return tuple(story for story in stories if story.moments)


def is_seen(run: FlowRun, seen: Mapping[str, str]) -> bool:
    """Say whether a run is still in the state that was seen; items of batches are told of by their batch."""
    return ITEM_TAG in run.tags or (run.state is not None and seen.get(str(run.id)) == str(run.state.id))


async def _candidates(
    client: PrefectClient, since: datetime, seen: Mapping[str, str], *, is_thorough: bool
) -> AsyncIterator[FlowRun]:
    scheduled = {"next_scheduled_start_time": FlowRunFilterNextScheduledStartTime(after_=since)}
    raised = {"next_scheduled_start_time": FlowRunFilterNextScheduledStartTime(before_=datetime.now(UTC) - RAISE_STEP)}
    ended = {"end_time": FlowRunFilterEndTime(after_=since)}
    for types, window, sort in (
        ((StateType.SCHEDULED,), scheduled, FlowRunSort.ID_DESC),
        ((StateType.SCHEDULED,), raised, FlowRunSort.ID_DESC),
        (_UNDER_WAY, {}, FlowRunSort.ID_DESC),
        (_ENDED, ended, FlowRunSort.END_TIME_DESC),
    ):
        # Only ends come in the order in which they happened; elsewhere what is new may be on any page.
        may_stop = sort is FlowRunSort.END_TIME_DESC and not is_thorough
        async for page in _pages(client, types, window, sort):
            for run in page:
                yield run
            if may_stop and all(is_seen(run, seen) for run in page):
                break


async def _pages(
    client: PrefectClient, types: Collection[StateType], window: Mapping[str, Any], sort: FlowRunSort
) -> AsyncIterator[list[FlowRun]]:
    wanted: FlowRunFilter = job_filter(types).model_copy(update=dict(window))
    offset = 0
    rows = PREFECT_ROWS // 8  # mostly nothing is new: a short page says so
    while True:
        with translated():
            page = await client.read_flow_runs(flow_run_filter=wanted, sort=sort, limit=rows, offset=offset)
        yield page
        offset += len(page)
        if len(page) < rows:
            return
        rows = PREFECT_ROWS


def _story(run: FlowRun, states: Sequence[State[Any]], crash_attempts: int) -> JobStory:
    starts = 0
    moments = []
    for state, shown in zip(states, transitions(run, states, crash_attempts), strict=True):
        starts += state.type is StateType.RUNNING
        moments.append(
            JobMoment(
                state_id=str(state.id),
                at=shown.at,
                state=shown.state,
                reason=shown.reason,
                message=shown.message,
                attempt=starts,
            )
        )
    parameters = run.parameters
    return JobStory(
        job_id=str(run.id),
        owner=owner_of(run.tags),
        title=parameters.get("title") or run.name,
        metadata=parameters.get("metadata") or {},
        endpoints=webhooks_of(run.tags),
        traceparent=str(run.labels.get(TRACE_LABEL) or "") or None,
        moments=tuple(moments),
    )
