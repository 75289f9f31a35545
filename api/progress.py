"""From the progress that each step reported to the progress of the whole job. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from api.schemas import StepProgress
from data.domain.jobs import ALL_STEPS, step_weights
from data.domain.steps import StepStatus


@dataclass(frozen=True)
class StepReport:
    """What a step last said of itself, as its Prefect progress artifact holds it."""

    status: StepStatus
    percent: float
    """0–100; more or less is cut off."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class JobProgress:
    """The progress of a job."""

    step: str | None
    """The step that began last; ``None`` before the first."""
    steps: tuple[StepProgress, ...]
    """In the order of the pipeline; only those that have begun."""
    share: float
    """0–1, weighted by step."""
    last_at: datetime | None
    reason: str | None = None
    """What the step that began last waits for; ``None`` when it is at work."""
    position: int | None = None
    """Its place in the queue, 1 for the next one."""
    next_try_at: datetime | None = None
    """When it is tried again, where it has failed and waits for that."""


def job_progress(reports: Iterable[StepReport], *, is_done: bool = False) -> JobProgress:
    """Weigh the steps' reports into one share.

    A step that ran twice (a retry) counts as its latest attempt says; steps unknown to the pipeline are ignored.
    A later step that has begun means that the ones before it are done, even where a cached one never reported.

    Args:
        reports: In any order, several a step allowed.
        is_done: The job succeeded: everything counts as done, reported or not.
    """
    latest: dict[str, StepReport] = {}
    for report in sorted(reports, key=lambda each: each.created_at):
        if report.status.step in ALL_STEPS:
            latest[report.status.step] = report
    status = max(latest.values(), key=lambda each: each.created_at).status if latest else None
    current = status.step if status else None
    weights = step_weights(latest)
    order = list(weights)
    reached = len(order) if is_done else order.index(current) if current else 0
    shares = {
        step: 1.0 if index < reached else _share(latest.get(step) if index == reached else None)
        for index, step in enumerate(order)
    }
    begun = order[: reached + 1] if latest or is_done else []
    return JobProgress(
        step=order[-1] if is_done else current,
        steps=tuple(StepProgress(name=step, progress=round(shares[step], 4)) for step in begun),
        share=round(min(1.0, sum(weights[step] * shares[step] for step in order)), 4),
        last_at=max((each.updated_at for each in latest.values()), default=None),
        reason=status.reason if status else None,
        position=status.position if status else None,
        next_try_at=status.until if status else None,
    )


def _share(report: StepReport | None) -> float:
    return min(1.0, max(0.0, report.percent / 100)) if report else 0.0
