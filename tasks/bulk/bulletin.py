"""What a feed tells people of its batch: how far it is and when it will be done, in a few lines."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from data.domain.batches import ENDED_ITEMS, Batch, ItemCounts, ItemState

_SPAN = timedelta(minutes=10)
"""The pace is that of the last minutes."""
_LEAST_SPAN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Bulletin:
    """How far a batch is."""

    share: float
    """0–1, of the estimated work."""
    finishes_at: datetime | None
    """``None`` while nothing is known about the pace."""
    text: str
    """Markdown."""


class Pace:
    """How fast a batch goes, from how much was done when. Lives as long as its feed."""

    def __init__(self) -> None:
        self._samples: deque[tuple[datetime, float]] = deque()

    def note(self, now: datetime, done_seconds: float) -> None:
        """Take note of how much estimated work is done."""
        self._samples.append((now, done_seconds))
        while now - self._samples[0][0] > _SPAN:
            self._samples.popleft()

    def finish(self, left_seconds: float) -> datetime | None:
        """Return when the work that is left will be done at this pace; ``None``: there is none yet."""
        (began, before), (now, done) = self._samples[0], self._samples[-1]
        if now - began < _LEAST_SPAN or done <= before:
            return None
        return now + (now - began) * (left_seconds / (done - before))


def bulletin(batch: Batch, counts: ItemCounts, work: Mapping[ItemState, float], pace: Pace, now: datetime) -> Bulletin:
    """Say how far a batch is.

    Args:
        batch: The batch.
        counts: Its items by state.
        work: Their estimated work in seconds, by state.
        pace: How fast it goes; takes note of this.
        now: The time.
    """
    # A little for each item, so that those of which nothing is known count as well.
    seconds = {state: work.get(state, 0.0) + 0.01 * getattr(counts, state.value) for state in ItemState}
    done, all_of_it = sum(seconds[state] for state in ENDED_ITEMS), sum(seconds.values())
    pace.note(now, done)
    is_over = all_of_it <= done
    finishes_at = None if is_over else pace.finish(all_of_it - done)
    share = done / all_of_it if all_of_it else 1.0
    return Bulletin(share, finishes_at, _text(batch, counts, finishes_at))


def _text(batch: Batch, counts: ItemCounts, finishes_at: datetime | None) -> str:
    state = batch.state.value + (f" ({batch.reason.value})" if batch.reason else "")
    lines = [
        f"**{batch.name}**: {state}. {batch.message}".rstrip(),
        f"{counts.ended} of {counts.rows} rows ended: {counts.succeeded} succeeded, {counts.failed} failed, "
        f"{counts.skipped} skipped, {counts.rejected} rejected, {counts.cancelled} cancelled; "
        f"{counts.in_flight} in flight, {counts.pending} pending.",
    ]
    if batch.spent:
        lines.append(f"Spent: {batch.spent:.2f} {batch.plan.currency if batch.plan else ''}".rstrip())
    if finishes_at is not None:
        lines.append(f"Finishes about {finishes_at:%Y-%m-%d %H:%M} UTC.")
    return "\n\n".join(lines)
