"""Who was there: what is known of each track, and where in the picture there was something for how long."""

import heapq
from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import Event, EventKind, TrackSummary
from tasks.models.analysis.plan import HEAT_COLUMNS, HEAT_ROWS
from tasks.models.analysis.tracking import Tracked
from tasks.models.analysis.zones import box_of

_MOST_SUMMARIES = 1000
_MOST_UNSEEN = 16_384
_SIDES = ((0, HEAT_COLUMNS), (1, HEAT_ROWS))


@dataclass(slots=True)
class _Life:
    """A track from when it is first seen until it is seen no more."""

    first_at: float
    last: Tracked
    last_frame: int
    last_at: float
    samples: int = 0
    confidence: float = 0.0


@dataclass
class Presence:
    """Follows tracks from their first to their last frame; lives as long as one analysis.

    Args:
        seconds_each: Time for which one frame that is looked at stands.
    """

    seconds_each: float
    count: int = 0
    _lives: dict[int, _Life] = field(default_factory=dict)
    _longest: list[tuple[int, int, TrackSummary]] = field(default_factory=list)
    _seen: "array[float]" = field(default_factory=lambda: array("d"))
    """Edges of boxes that are not in the heat map yet."""
    _steps: NDArray[np.float64] = field(default_factory=lambda: np.zeros((HEAT_ROWS + 1, HEAT_COLUMNS + 1)))
    """By how much more often something was in each cell than in those above it and to its left."""

    @property
    def heat(self) -> NDArray[np.float32]:
        """For how many seconds there was something in each cell of the picture: rows × columns."""
        self._warm()
        often = self._steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]
        return (often * self.seconds_each).astype(np.float32)

    @property
    def followed(self) -> list[int]:
        """Tracks that have not gone."""
        return list(self._lives)

    def look(self, seen: list[Tracked], frame: int, at_seconds: float) -> list[Event]:
        """Take the tracks of the next frame and return those that are new."""
        events = []
        for each in seen:
            life = self._lives.get(each.track)
            if life is None:
                life = self._lives[each.track] = _Life(at_seconds, each, frame, at_seconds)
                self.count += 1
                events.append(_event(EventKind.APPEAR, each, frame, at_seconds))
            life.last, life.last_frame, life.last_at = each, frame, at_seconds
            life.samples += 1
            life.confidence += each.confidence
            self._seen.extend(each.box)
        if len(self._seen) > _MOST_UNSEEN:
            self._warm()
        return events

    def gone(self, track: int, dwell_seconds: dict[str, float]) -> Event:
        """Say that a track has ended, with its time in each zone, and return the event of when it was seen last."""
        life = self._lives.pop(track)
        summary = TrackSummary(
            track=track,
            label=life.last.label,
            first_seconds=round(life.first_at, 3),
            last_seconds=round(life.last_at, 3),
            sample_count=life.samples,
            confidence=round(life.confidence / life.samples, 3),
            dwell_seconds=dwell_seconds,
        )
        heapq.heappush(self._longest, (life.samples, -track, summary))
        if len(self._longest) > _MOST_SUMMARIES:
            heapq.heappop(self._longest)
        return _event(EventKind.VANISH, life.last, life.last_frame, life.last_at)

    def _warm(self) -> None:
        """Take boxes into the heat map, by their corners: each covers one cell at least."""
        edges = np.frombuffer(self._seen, np.float64).reshape(-1, 4).clip(0, 1)
        left, top = ((edges[:, side] * size).astype(np.intp).clip(max=size - 1) for side, size in _SIDES)
        right, bottom = (np.rint(edges[:, side + 2] * size).astype(np.intp) for side, size in _SIDES)
        right, bottom = np.maximum(right, left + 1), np.maximum(bottom, top + 1)
        for rows, columns, step in ((top, left, 1), (top, right, -1), (bottom, left, -1), (bottom, right, 1)):
            np.add.at(self._steps, (rows, columns), step)
        self._seen = array("d")

    def summaries(self, groups: dict[int, int]) -> tuple[TrackSummary, ...]:
        """Return the longest tracks that have gone, by number, with the groups of those that look alike."""
        found = sorted((summary for _, _, summary in self._longest), key=lambda summary: summary.track)
        return tuple(summary.model_copy(update={"cluster": groups.get(summary.track)}) for summary in found)


def _event(kind: EventKind, each: Tracked, frame: int, at_seconds: float) -> Event:
    return Event(
        kind=kind,
        at_seconds=round(at_seconds, 3),
        frame=frame,
        track=each.track,
        label=each.label,
        box=box_of(each.box),
        confidence=round(each.confidence, 3),
    )
