"""When a batch will be done: how much of its work goes on at once, and what the night window lets it do."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from data.domain.windows import AtEnd, NightWindow

_MOST_NIGHTS = 3660
_RUN_SECONDS = 1.0
"""What a run costs whatever it does: beginning, ending, talking to Prefect."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What can be worked on at the same time."""

    encode_slots: int
    """Threads of all encodes on all machines together, at least 1."""
    gpu_slots: int
    """Runs at once on the ``gpu`` pool, at least 1."""


@dataclass(frozen=True, slots=True)
class Load:
    """All that there is to do."""

    items: int
    cpu_seconds: float
    gpu_seconds: float
    runs: int
    """How many runs the items will be divided into."""


def working_seconds(load: Load, capacity: Capacity, max_concurrency: int) -> float:
    """Return how long the work takes from its first to its last minute, the slowest resource being the measure.

    Args:
        load: What there is to do.
        capacity: What can be worked on at once.
        max_concurrency: Most runs of the batch at once; each goes through its steps one after the other.
    """
    if not load.items:
        return 0.0
    overhead = load.runs * _RUN_SECONDS
    encoding = (load.cpu_seconds + overhead) / capacity.encode_slots
    one_by_one = load.cpu_seconds / capacity.encode_slots + load.gpu_seconds + overhead
    # While the last item is in its later steps, the earlier ones have nothing to do.
    tail = one_by_one / load.items
    return max(encoding, load.gpu_seconds / capacity.gpu_slots, one_by_one / max_concurrency) + tail


def finish(starts_at: datetime, seconds: float, window: NightWindow | None, urgent_seconds: float = 0.0) -> datetime:
    """Return when so much work is done, or given up, that begins at a moment.

    Args:
        starts_at: A moment (aware) at which the window is open.
        seconds: The time that all of the work takes.
        window: When it may be worked on, and what happens at its end; ``None``: always.
        urgent_seconds: The time that the work of high priority takes, which comes first.
    """
    done_at = starts_at + timedelta(seconds=seconds)
    closes_at = window.next_closing(starts_at) if window else None
    if window is None or closes_at is None or done_at <= closes_at or window.at_end is AtEnd.FINISH:
        return done_at
    if window.at_end is AtEnd.SHED:
        return max(closes_at, starts_at + timedelta(seconds=urgent_seconds))
    return _finish_on_another_night(starts_at, seconds, window)


def _finish_on_another_night(starts_at: datetime, seconds: float, window: NightWindow) -> datetime:
    moment, left = starts_at, timedelta(seconds=seconds)
    for _ in range(_MOST_NIGHTS):
        closes_at = window.next_closing(moment)
        if closes_at is None or moment + left <= closes_at:
            return moment + left
        left -= closes_at - moment
        moment = window.next_opening(closes_at)
    return moment + left


def nights(starts_at: datetime, finishes_at: datetime, window: NightWindow) -> int:
    """Return in how many openings of the window work goes on between two moments, at least 1."""
    count, moment = 1, starts_at
    while count < _MOST_NIGHTS:
        closes_at = window.next_closing(moment)
        if closes_at is None or closes_at >= finishes_at:
            return count
        moment = window.next_opening(closes_at)
        count += 1
    return count
