"""Figures over all runs and workers, for metrics: a few counts, whatever the number of runs."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    WorkPoolFilter,
    WorkPoolFilterName,
    WorkQueueFilter,
    WorkQueueFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort

from api.gateway.canary import is_registered, look_at_canary
from api.gateway.listing import count_runs
from api.gateway.runs import due, state_filter
from api.gateway.translation import translated
from api.gateway.workers import count_live_workers
from data.domain.jobs import QUEUES, WORK_POOLS, JobState

_WAITING = state_filter((StateType.SCHEDULED, StateType.PENDING))


@dataclass(frozen=True, kw_only=True)
class RunFigures:
    """How it stands with runs and workers."""

    jobs: Mapping[str, int]
    """By state."""
    queued: Mapping[tuple[str, str], int]
    """Runs that are due and wait, by work pool and queue."""
    running: Mapping[str, int]
    """By work pool."""
    workers: Mapping[str, int]
    late: int
    oldest_seconds: float
    """How long the oldest run that is due has waited."""
    canary_seconds: float | None
    """Since a scheduled run last started; ``None`` where there is no schedule."""


async def read_run_figures(client: PrefectClient, now: datetime) -> RunFigures:
    """Count runs and workers.

    Raises:
        OrchestratorUnavailableError: Prefect is away.
    """
    is_due = FlowRunFilter(state=_WAITING, expected_start_time=FlowRunFilterExpectedStartTime(before_=now))
    late = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Late"])))
    running = FlowRunFilter(state=state_filter((StateType.RUNNING,)))
    lanes = [(pool, queue) for pool in WORK_POOLS for queue in QUEUES]
    jobs, depths, busy, workers, late_runs, oldest = await asyncio.gather(
        count_runs(client, JobState),
        asyncio.gather(*(_count(client, is_due, pool, queue) for pool, queue in lanes)),
        asyncio.gather(*(_count(client, running, pool) for pool in WORK_POOLS)),
        asyncio.gather(*(count_live_workers(client, pool) for pool in WORK_POOLS)),
        _count(client, late),
        _oldest(client, is_due, now),
    )
    return RunFigures(
        jobs=jobs,
        queued=dict(zip(lanes, depths, strict=True)),
        running=dict(zip(WORK_POOLS, busy, strict=True)),
        workers=dict(zip(WORK_POOLS, workers, strict=True)),
        late=late_runs,
        oldest_seconds=oldest.total_seconds(),
        canary_seconds=await _canary(client, now),
    )


async def _canary(client: PrefectClient, now: datetime) -> float | None:
    if not await is_registered(client):
        return None
    return (await look_at_canary(client, now)).age.total_seconds()


async def _count(client: PrefectClient, wanted: FlowRunFilter, pool: str = "", queue: str = "") -> int:
    place: dict[str, Any] = {}
    if pool:
        place["work_pool_filter"] = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    if queue:
        place["work_queue_filter"] = WorkQueueFilter(name=WorkQueueFilterName(any_=[queue]))
    with translated():
        return await client.count_flow_runs(flow_run_filter=wanted, **place)


async def _oldest(client: PrefectClient, wanted: FlowRunFilter, now: datetime) -> timedelta:
    with translated():
        runs = await client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=1)
    return max(timedelta(), now - due(runs[0])) if runs else timedelta()
