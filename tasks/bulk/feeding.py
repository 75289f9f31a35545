"""What a feed does next: a decision from what it sees, made anew every second or two, without memory of its own.

What must outlive the feed's process is in the catalogue: what was asked (the wish), why a batch is being stopped (its
reason), and which item is in which run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from data.domain.batches import ENDED_BATCHES, Batch, BatchReason, BatchState, BatchWish, ItemCounts, ItemState
from data.domain.feeds import REPORT
from data.domain.windows import AtEnd, NightWindow
from tasks.bulk.verdicts import Stop, is_canary_over, over_budget, same_failure, too_dear

STOPS = frozenset(
    {
        BatchReason.CANARY_FAILED,
        BatchReason.FAILURE_BUDGET,
        BatchReason.REPEATED_FAILURE,
        BatchReason.COST_BUDGET,
    }
)
"""Reasons for which a batch that runs is being brought to a stop."""
_RUNS_PER_SLOT = 2
"""One at work and one that waits, so that no slot is idle between two looks of the feed."""


class Course(Enum):
    """What a feed does with its batch."""

    FEED = auto()
    """Make more runs, as far as the window of runs allows."""
    HOLD = auto()
    """Make none; those in flight go on."""
    DRAIN = auto()
    """Cancel what is pending; those in flight go on."""
    CANCEL = auto()
    """Cancel what is pending, and the runs in flight."""
    END = auto()
    """Everything has ended."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a feed sees."""

    batch: Batch
    counts: ItemCounts
    now: datetime
    infra_failures: int = 0
    """How many of the failed items are the machines' fault."""
    latest: Sequence[tuple[ItemState, str | None]] = ()
    """State and code of the items that ended last, the latest first."""
    cost_in_flight: float = 0.0
    """What the items in flight are expected to cost, in the plan's currency."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and what the batch says of itself meanwhile."""

    course: Course
    state: BatchState
    reason: BatchReason | None = None
    message: str = ""
    most_items: int | None = None
    """Have at most so many items in flight; ``None``: as many as there are runs for."""
    sheds: bool = False
    """Cancel what is pending and not of high priority."""


def decide(seen: Situation) -> Decision:
    """Return what to do next."""
    batch, counts = seen.batch, seen.counts
    is_over = counts.pending == 0 and counts.in_flight == 0
    if batch.wish is BatchWish.CANCEL:
        course = Course.END if is_over else Course.CANCEL
        return Decision(course, BatchState.CANCELLED if is_over else batch.state, BatchReason.REQUEST, batch.message)
    if stop := _stop(seen):
        if is_over:
            return Decision(Course.END, BatchState.STOPPED, stop.reason, stop.message)
        return Decision(Course.DRAIN, BatchState.RUNNING, stop.reason, stop.message)
    if is_over:
        return Decision(Course.END, BatchState.COMPLETED)
    if batch.wish is BatchWish.PAUSE:
        return Decision(Course.HOLD, BatchState.PAUSED, BatchReason.REQUEST)
    window = batch.options.window
    if window is None or window.is_open(seen.now):
        return _feed(seen)
    return _out_of_hours(seen, window)


def slots_of_share(slots: int, share: float) -> int:
    """Return how many of some slots a share comes to, one at least."""
    return max(1, int(slots * share + 1e-9))  # a third of three is 0.999…


def runs_to_make(batch: Batch, runs_in_flight: int, slots: int, share: float) -> int:
    """Return how many more runs a batch may have.

    Args:
        batch: The batch.
        runs_in_flight: The runs that it has, waiting and running.
        slots: How many runs can work at once for all batches together.
        share: Which part of them is this batch's (:func:`tasks.bulk.sharing.share_of`).
    """
    own = slots_of_share(slots * _RUNS_PER_SLOT, share)
    return max(0, min(batch.options.max_concurrency, own) - runs_in_flight)


def _stop(seen: Situation) -> Stop | None:
    """Return why the batch is being stopped, as was decided before or is decided now."""
    batch, options = seen.batch, seen.batch.options
    if batch.reason in STOPS:
        assert batch.reason is not None
        return Stop(batch.reason, batch.message)
    stop = over_budget(options, seen.counts, seen.infra_failures) or same_failure(options, seen.latest)
    if stop is None and seen.counts.pending:
        stop = too_dear(options, batch.spent, seen.cost_in_flight)
    return stop


def _feed(seen: Situation, message: str = "") -> Decision:
    options, counts = seen.batch.options, seen.counts
    most = None
    if options.canary_items and not is_canary_over(options, counts):
        most = options.canary_items - counts.succeeded - counts.failed
        message = message or f"The first {options.canary_items} items go alone."
    return Decision(Course.FEED, BatchState.RUNNING, None, message, most)


def _out_of_hours(seen: Situation, window: NightWindow) -> Decision:
    has_begun = seen.batch.started_at is not None
    if has_begun and window.at_end is AtEnd.FINISH:
        return _feed(seen)
    if has_begun and window.at_end is AtEnd.SHED:
        decision = _feed(seen, "The window has closed: only items of high priority go on.")
        return Decision(decision.course, decision.state, None, decision.message, decision.most_items, sheds=True)
    opening = window.next_opening(seen.now)
    return Decision(
        Course.HOLD, BatchState.PAUSED, BatchReason.NIGHT_WINDOW, f"Waits for {opening:%Y-%m-%d %H:%M} UTC."
    )


def is_to_be_fed(batch: Batch) -> bool:
    """Say whether a batch is to be fed now; it may have ended, or wait for a person's word."""
    if batch.state is not BatchState.PLANNED:
        return batch.state in (BatchState.RUNNING, BatchState.PAUSED)
    return not batch.awaits_a_word or batch.wish is BatchWish.CANCEL


def is_to_be_reported(batch: Batch, run_id: str | None) -> bool:
    """Say whether a run of a batch's flow is to report on it: the one that fed it, or any if nobody did."""
    if batch.state not in ENDED_BATCHES:
        return False
    return batch.feed_run_id in (None, run_id) or REPORT not in batch.outputs
