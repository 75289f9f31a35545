"""What became of measured runs."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.starts.cpu import Cpu

# Prefect itself calls a run late that has not been taken up 15 s after its time.
LATE_SECONDS = 15.0


@dataclass(frozen=True)
class RunTimes:
    """When a run was taken up (PENDING), running, and completed, in seconds after its trigger."""

    pending: float
    running: float
    ended: float
    was_late: bool = False


@dataclass(frozen=True)
class Start:
    """One run of one kind: seconds from trigger to RUNNING and to its end, and the CPU-seconds that it cost."""

    kind: str
    running_seconds: float
    ended_seconds: float
    cpu: Cpu


@dataclass(frozen=True)
class Burst:
    """Runs queued at once.

    Attributes:
        median_seconds: From trigger to RUNNING; ``longest_seconds`` of the last one.
        all_seconds: Until all had ended.
        longest_poll_seconds: The longest that a run waited although a slot was free.
        late: How many waited so for longer than :data:`LATE_SECONDS`.
        marked_late: How many Prefect called late, also because all slots were taken.
        lost: How many did not complete.
        busy_share: Of the machine's cores, whoever used them.
        cpu: CPU-seconds a run.
    """

    kind: str
    count: int
    median_seconds: float
    longest_seconds: float
    all_seconds: float
    longest_poll_seconds: float
    late: int
    marked_late: int
    lost: int
    busy_share: float
    cpu: Cpu


def burst_of(kind: str, count: int, runs: Sequence[RunTimes], limit: int, busy_share: float, cpu: Cpu) -> Burst:
    """Sum up what became of the runs of a burst.

    Args:
        kind: The way they were started.
        count: How many were queued.
        runs: Those that completed.
        limit: Slots of the pool.
        busy_share: See :class:`Burst`.
        cpu: See :class:`Burst`.
    """
    running = [run.running for run in runs] or [0.0]
    waits = waits_with_free_slot(runs, limit) or [0.0]
    return Burst(
        kind=kind,
        count=count,
        median_seconds=statistics.median(running),
        longest_seconds=max(running),
        all_seconds=max((run.ended for run in runs), default=0.0),
        longest_poll_seconds=max(waits),
        late=sum(wait > LATE_SECONDS for wait in waits),
        marked_late=sum(run.was_late for run in runs),
        lost=count - len(runs),
        busy_share=busy_share,
        cpu=cpu,
    )


def waits_with_free_slot(runs: Sequence[RunTimes], limit: int) -> list[float]:
    """Return how long each run waited to be taken up although a slot was free: nobody had asked for it.

    With ``limit`` slots, the n-th run to be taken up can be so when the (n - limit)-th has ended.
    """
    ends = sorted(run.ended for run in runs)
    free_at = [0.0] * limit + ends
    return [max(0.0, taken - free) for taken, free in zip(sorted(run.pending for run in runs), free_at, strict=False)]
