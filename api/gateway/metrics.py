"""Jobs in numbers: Prefect counts, and what it cannot count is reckoned from the jobs that ended last."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import quantiles

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterEndTime, FlowRunFilterExpectedStartTime
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from api.gateway.jobs import failure_class, has_begun, run_view
from api.gateway.listing import state_types
from api.gateway.runs import PREFECT_ROWS, due, job_filter
from api.gateway.translation import translated
from api.schemas import HourCount, JobMetrics, Spread
from data.domain.jobs import TERMINAL_STATES as ENDED
from data.domain.jobs import JobState, retries_counted

MOST_LOOKED_AT = 2_000
"""Ended jobs that are read, ten calls at most, however many there were."""


async def read_metrics(client: PrefectClient, window: timedelta, crash_attempts: int, owner: str | None) -> JobMetrics:
    """Return the jobs of a window that ends now in numbers.

    Args:
        client: Prefect's.
        window: How long it is.
        crash_attempts: How often a run may start before a crash is final.
        owner: Whose jobs alone; ``None`` is everybody's.
    """
    until = datetime.now(UTC)
    since = until - window
    was_due = {"expected_start_time": FlowRunFilterExpectedStartTime(after_=since, before_=until)}
    has_ended = {"end_time": FlowRunFilterEndTime(after_=since)}
    states = state_types()
    wanted = [job_filter(types, owner).model_copy(update=was_due) for types in states.values()]
    ended = job_filter(TERMINAL_STATES, owner).model_copy(update=has_ended)
    with translated():
        *counts, ended_count = await asyncio.gather(
            *(client.count_flow_runs(flow_run_filter=each) for each in (*wanted, ended))
        )
    runs = await _latest(client, ended)
    return _summary(
        runs,
        crash_attempts,
        since=since,
        until=until,
        states=dict(zip((state.value for state in states), counts, strict=True)),
        ended=ended_count,
    )


async def _latest(client: PrefectClient, wanted: FlowRunFilter) -> list[FlowRun]:
    runs: dict[object, FlowRun] = {}
    for offset in range(0, MOST_LOOKED_AT, PREFECT_ROWS):
        with translated():
            rows = await client.read_flow_runs(
                flow_run_filter=wanted, sort=FlowRunSort.END_TIME_DESC, limit=PREFECT_ROWS, offset=offset
            )
        runs |= {row.id: row for row in rows}  # one that ends meanwhile shifts the pages
        if len(rows) < PREFECT_ROWS:
            break
    return list(runs.values())


def _summary(
    runs: Sequence[FlowRun],
    crash_attempts: int,
    *,
    since: datetime,
    until: datetime,
    states: dict[str, int],
    ended: int,
) -> JobMetrics:
    seen = [(run, run_view(run, crash_attempts)) for run in runs]
    over = [(run, view) for run, view in seen if view.state in ENDED]  # not what crashed and is tried again
    runs, views = [run for run, _ in over], [view for _, view in over]
    outcomes = Counter(view.state for view in views)
    decided = outcomes[JobState.SUCCEEDED] + outcomes[JobState.FAILED]
    classes = [failure_class(view) for view in views if view.state is JobState.FAILED]
    return JobMetrics(
        since=since,
        until=until,
        states=states,
        ended=ended - (len(seen) - len(over)),
        looked_at=len(runs),
        success_rate=round(outcomes[JobState.SUCCEEDED] / decided, 4) if decided else None,
        recipes=dict(Counter(str(run.parameters.get("recipe", "default")) for run in runs)),
        failures=dict(Counter(each.value for each in classes if each is not None)),
        retries=sum(max(0, run.run_count - 1) for run in runs),
        step_retries=sum(retries_counted(run.labels) for run in runs),
        cancellations=outcomes[JobState.CANCELLED],
        wait_seconds=_spread(run.start_time.timestamp() - due(run).timestamp() for run in runs if run.start_time),
        run_seconds=_spread(run.total_run_time.total_seconds() for run in runs if has_begun(run)),
        hours=_hours(runs, [view.state for view in views]),
    )


def _hours(runs: Iterable[FlowRun], states: Iterable[JobState]) -> tuple[HourCount, ...]:
    counts: dict[datetime, Counter[str]] = {}
    for run, state in zip(runs, states, strict=True):
        if run.end_time is not None:
            hour = run.end_time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            counts.setdefault(hour, Counter())[state.value] += 1
    names = ("succeeded", "failed", "cancelled")
    return tuple(
        HourCount(hour=hour, **{name: counts[hour][name] for name in names}) for hour in sorted(counts, reverse=True)
    )


def _spread(seconds: Iterable[float]) -> Spread:
    values = sorted(max(0.0, each) for each in seconds)
    if not values:
        return Spread()
    cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else values * 99
    return Spread(p50=round(cuts[49], 3), p95=round(cuts[94], 3), p99=round(cuts[98], 3), longest=round(values[-1], 3))
