"""Tracks: which detections of successive frames are one thing.

ByteTrack (from the library ``trackers``) joins what overlaps from frame to frame. What it loses for longer, behind a
lamp post or behind someone else, comes back with a new number there: here it gets its old one, if it is of the same
size, where it is expected.
"""

from dataclasses import dataclass
from math import hypot
from typing import NamedTuple

from tasks.models.analysis.detections import Detections, Edges

_LOST_SECONDS = 1.5
"""For so long ByteTrack waits for a thing that is hidden."""
_GONE_SECONDS = 3.0
"""What has not been seen for so long has gone."""
_CONFIRMING_SECONDS = 0.3
_MOST_CONFIRMING = 6
_LEAST_OVERLAP = 0.1
_UNITS = 1000.0
"""Of the tracker, across the picture: its noise is meant for pixels."""
_NEAR = 0.7
"""Of its height: no further from where it is expected a thing comes back."""
_ALIKE = 0.6
"""Of the height: no more may it have changed."""
_SPEED_MEMORY_SECONDS = 0.4
_COASTING_SECONDS = 1.0
"""What is hidden is expected to go on for so long, and then to stand."""


class Tracked(NamedTuple):
    """One track as it is seen in one frame; places are shares (0–1) of the picture."""

    track: int
    """From 1, in the order in which they appear."""
    label: str
    box: Edges
    """Left, top, right, bottom."""
    confidence: float
    speed: float
    """Picture widths per second."""


@dataclass(slots=True)
class _Known:
    """What is known of a track while it is followed."""

    track: int
    label: str
    x: float
    y: float
    height: float
    seen_at: float
    velocity: tuple[float, float] = (0.0, 0.0)

    def expected(self, at_seconds: float) -> tuple[float, float]:
        """Where its middle is by now, if it went on."""
        seconds = min(at_seconds - self.seen_at, _COASTING_SECONDS)
        return self.x + self.velocity[0] * seconds, self.y + self.velocity[1] * seconds

    def see(self, x: float, y: float, height: float, at_seconds: float) -> None:
        """Note where it is now."""
        seconds = at_seconds - self.seen_at
        if seconds > 0:
            weight = seconds / (seconds + _SPEED_MEMORY_SECONDS)
            across = self.velocity[0] + weight * ((x - self.x) / seconds - self.velocity[0])
            down = self.velocity[1] + weight * ((y - self.y) / seconds - self.velocity[1])
            self.velocity = across, down
        self.x, self.y, self.height, self.seen_at = x, y, height, at_seconds


class Tracker:
    """Gives detections of the same thing the same number; lives as long as one analysis.

    Args:
        rate: Frames looked at, a second.
        aspect: Height of the picture in widths.
        min_confidence: Detections that are as sure as this begin tracks.
    """

    def __init__(self, rate: float, aspect: float, min_confidence: float) -> None:
        from tasks.models.analysis.bytetrack import ByteTrack  # takes a second: only for those who track

        self._aspect = aspect
        confirming = min(_MOST_CONFIRMING, max(1, round(_CONFIRMING_SECONDS * rate)))
        self._tracker = ByteTrack(rate, _LOST_SECONDS, confirming, _LEAST_OVERLAP, min_confidence)
        self._units = _UNITS, _UNITS * aspect
        self._known: dict[int, _Known] = {}
        """By the number that ByteTrack gave."""
        self._count = 0

    def follow(self, found: Detections, at_seconds: float) -> list[Tracked]:
        """Take the detections of the next frame and return the tracks that are seen in it, by number."""
        numbered = self._tracker.number(found, *self._units)
        numbers = {number for number, _ in numbered}
        seen = [
            self._seen(found.boxes[row], found.confidences[row], found.labels[row], number, numbers, at_seconds)
            for number, row in numbered
        ]
        return sorted(seen)  # no two have one number

    def gone(self, at_seconds: float) -> list[int]:
        """Return the tracks that will not come back, once."""
        old = [number for number, known in self._known.items() if at_seconds - known.seen_at > _GONE_SECONDS]
        return [self._known.pop(number).track for number in old]

    def _seen(
        self, box: Edges, confidence: float, label: str, number: int, numbers: set[int], at_seconds: float
    ) -> Tracked:
        left, top, right, bottom = box
        x, y, height = (left + right) / 2, (top + bottom) / 2 * self._aspect, (bottom - top) * self._aspect
        known = self._known.get(number)
        if known is None:
            known = self._returned(x, y, height, label, numbers, at_seconds)
            if known is None:
                self._count += 1
                known = _Known(self._count, label, x, y, height, at_seconds)
            self._known[number] = known
        known.see(x, y, height, at_seconds)
        return Tracked(known.track, label, (left, top, right, bottom), confidence, hypot(*known.velocity))

    def _returned(
        self, x: float, y: float, height: float, label: str, numbers: set[int], at_seconds: float
    ) -> _Known | None:
        """The hidden track that this is most likely to be; it is known by its old number no more."""
        best: tuple[float, int] | None = None
        for number, known in self._known.items():
            if number in numbers or known.label != label:
                continue
            expected = known.expected(at_seconds)
            distance = hypot(x - expected[0], y - expected[1]) / max(height, known.height, 1e-6)
            alike = min(height, known.height) / max(height, known.height, 1e-6)
            if distance <= _NEAR and alike >= _ALIKE and (best is None or distance < best[0]):
                best = distance, number
        return None if best is None else self._known.pop(best[1])
