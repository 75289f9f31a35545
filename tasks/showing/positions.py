"""Where tracks are in every frame of a video, also where only every nth frame was looked at: they move evenly."""

from collections.abc import Iterator

from tasks.models.analysis.sink import TrackRow

Samples = Iterator[tuple[int, tuple[TrackRow, ...]]]


class Positions:
    """Where tracks are in each frame, also between two that were looked at. Frames are asked for in order.

    Args:
        samples: Frames that were looked at with their rows, in order.
        step: Frames from one that was looked at to the next.
    """

    def __init__(self, samples: Samples, step: int) -> None:
        self._samples = samples
        self._step = step
        self._now: tuple[int, tuple[TrackRow, ...]] = (-step, ())
        self._next = next(samples, None)

    def at(self, frame: int) -> tuple[TrackRow, ...]:
        """Return the rows of a frame."""
        while self._next is not None and self._next[0] <= frame:
            self._now, self._next = self._next, next(self._samples, None)
        sampled_at, rows = self._now
        if frame - sampled_at >= self._step:
            return ()
        share = (frame - sampled_at) / self._step
        if share == 0:
            return rows
        follows = self._next is not None and self._next[0] == sampled_at + self._step
        later = {row.track: row for row in self._next[1]} if self._next and follows else {}
        return tuple(_between(row, later[row.track], share) if row.track in later else row for row in rows)


def _between(row: TrackRow, later: TrackRow, share: float) -> TrackRow:
    def mixed(name: str) -> float:
        one, other = getattr(row, name), getattr(later, name)
        return float(one + (other - one) * share)

    return row._replace(left=mixed("left"), top=mixed("top"), width=mixed("width"), height=mixed("height"))
