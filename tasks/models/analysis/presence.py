"""Who was there: what is known of each track, and where in the picture there was something for how long."""

import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import Event, EventKind, TrackSummary
from tasks.models.analysis.plan import HEAT_COLUMNS, HEAT_ROWS
from tasks.models.analysis.tracking import Edges, Tracked
from tasks.models.analysis.zones import box_of

_MOST_SUMMARIES = 1000


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
    heat: NDArray[np.float32] = field(default_factory=lambda: np.zeros((HEAT_ROWS, HEAT_COLUMNS), np.float32))
    count: int = 0
    _lives: dict[int, _Life] = field(default_factory=dict)
    _longest: list[tuple[int, int, TrackSummary]] = field(default_factory=list)

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
            self.heat[_cells(each.box)] += self.seconds_each
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

    def summaries(self, groups: dict[int, int]) -> tuple[TrackSummary, ...]:
        """Return the longest tracks that have gone, by number, with the groups of those that look alike."""
        found = sorted((summary for _, _, summary in self._longest), key=lambda summary: summary.track)
        return tuple(summary.model_copy(update={"cluster": groups.get(summary.track)}) for summary in found)


def _cells(box: Edges) -> tuple[slice, slice]:
    """Cells of the heat map that a box covers: one at least."""
    left, top, right, bottom = (min(1.0, max(0.0, edge)) for edge in box)
    first_row, first_column = min(int(top * HEAT_ROWS), HEAT_ROWS - 1), min(int(left * HEAT_COLUMNS), HEAT_COLUMNS - 1)
    rows = slice(first_row, max(first_row + 1, round(bottom * HEAT_ROWS)))
    return rows, slice(first_column, max(first_column + 1, round(right * HEAT_COLUMNS)))


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
