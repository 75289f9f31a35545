"""How far a batch is and when it will be done, from what its items amount to by state. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from api.batch_schemas import BatchProgress
from data.domain.batches import ENDED_BATCHES, ENDED_ITEMS, Batch, ItemState
from data.domain.nights import Pause
from data.domain.windows import AtEnd, NightWindow
from data.repositories import StateTally

_WORKED_ON = (ItemState.SUCCEEDED, ItemState.FAILED)
_LEAST_SECONDS = 0.01
"""What an item counts of which nothing is known."""
_MOST_NIGHTS = 366


def batch_progress(
    batch: Batch, tallies: Mapping[ItemState, StateTally], pauses: Sequence[Pause], now: datetime
) -> BatchProgress:
    """Return how far a batch is.

    It depends on the time only where it would lie: an estimate that has passed is none. So an answer whose facts did
    not change is the same answer.

    Args:
        batch: The batch.
        tallies: Its items by state.
        pauses: When it stood still.
        now: The time.
    """
    work = {state: tally.estimated_seconds + _LEAST_SECONDS * tally.items for state, tally in tallies.items()}
    done, everything = _of(work, ENDED_ITEMS), sum(work.values())
    share = min(1.0, done / everything) if everything else float(batch.state in ENDED_BATCHES)
    seconds = _working_seconds(batch, tallies, pauses)
    tried = sum(tallies[state].items for state in _WORKED_ON if state in tallies)
    return BatchProgress(
        share=share,
        items_per_minute=round(tried / seconds * 60, 1) if seconds and tried else None,
        finishes_at=_finish(batch, seconds, _of(work, _WORKED_ON), everything - done, now),
    )


def _finish(batch: Batch, seconds: float, tried: float, left: float, now: datetime) -> datetime | None:
    if batch.state in ENDED_BATCHES:
        return None
    if batch.started_at is None or not seconds or not tried:
        planned = batch.plan.finishes_at if batch.plan else None
        return planned if planned and planned > now else None
    window = batch.options.window
    begins = window.next_opening(now) if window else now
    needed = timedelta(seconds=seconds * left / tried)
    at = _within_window(begins, needed, window) if window and window.at_end is AtEnd.PAUSE else begins + needed
    return at and at.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _within_window(begins: datetime, needed: timedelta, window: NightWindow) -> datetime | None:
    """Return when so much is done, if nothing is done outside the window; ``None``: in more than a year."""
    for _ in range(_MOST_NIGHTS):
        closes = window.next_closing(begins)
        if closes is None or begins + needed <= closes:
            return begins + needed
        needed -= closes - begins
        begins = window.next_opening(closes)
    return None


def _working_seconds(batch: Batch, tallies: Mapping[ItemState, StateTally], pauses: Sequence[Pause]) -> float:
    """Return how long work was done, from the start to the last item that ended."""
    ended = [tally.last_ended_at for tally in tallies.values() if tally.last_ended_at is not None]
    if batch.started_at is None or not ended:
        return 0.0
    last = max(ended).astimezone(UTC)
    still = sum((min(last, pause.ends_at or last) - min(last, pause.begins_at) for pause in pauses), timedelta())
    return max(0.0, (last - batch.started_at - still).total_seconds())


def _of(work: Mapping[ItemState, float], states: Sequence[ItemState] | frozenset[ItemState]) -> float:
    return sum(work.get(state, 0.0) for state in states)
