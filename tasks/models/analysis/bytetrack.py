"""ByteTrack (Zhang et al., 2022, doi:10.1007/978-3-031-20047-2_1) for a handful of boxes a frame.

It is asked for every frame, and the library ``trackers`` takes ten times as long for the same numbers: matrices of
eight by eight for each box, of which all but two numbers are zeros or alike, arrays of four boxes, and containers that
are validated and copied. A test holds the two together.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tasks.models.analysis.detections import Detections

_Edges = tuple[float, float, float, float]
_STILL = (0.0, 0.0, 0.0, 0.0)
_NOISE, _DRIFT = 0.1, 0.01
"""Variance of where a box is seen, and of what is added to its place and velocity with each frame."""
_SMALLEST = 1e-12
"""Of an area that is divided by."""
_NO_NUMBER = -1


@dataclass(slots=True, eq=False)
class BoxFilter:
    """A Kalman filter of a box that goes on as it went, of which the four edges are uncertain alike.

    No edge depends on another then: of the covariance (8 × 8) three numbers are left, the same for each edge.
    """

    place: _Edges
    velocity: _Edges = _STILL
    _place_variance: float = 1.0
    _shared: float = 0.0
    _velocity_variance: float = 1.0

    def predict(self) -> None:
        """Go on by one frame."""
        (left, top, right, bottom), speeds = self.place, self.velocity
        self.place = left + speeds[0], top + speeds[1], right + speeds[2], bottom + speeds[3]
        self._place_variance += 2 * self._shared + self._velocity_variance + _DRIFT
        self._shared += self._velocity_variance
        self._velocity_variance += _DRIFT

    def update(self, seen: _Edges) -> None:
        """Take where the box is."""
        total = self._place_variance + _NOISE
        gain, velocity_gain = self._place_variance / total, self._shared / total
        (left, top, right, bottom), (over, down, wide, high) = self.place, self.velocity
        # One by one: a loop over four takes three times as long.
        by_left, by_top, by_right, by_bottom = seen[0] - left, seen[1] - top, seen[2] - right, seen[3] - bottom
        self.place = left + gain * by_left, top + gain * by_top, right + gain * by_right, bottom + gain * by_bottom
        self.velocity = (
            over + velocity_gain * by_left,
            down + velocity_gain * by_top,
            wide + velocity_gain * by_right,
            high + velocity_gain * by_bottom,
        )
        self._velocity_variance -= velocity_gain * self._shared
        self._shared *= 1 - gain
        self._place_variance *= 1 - gain


@dataclass(slots=True, eq=False)
class _Followed:
    """A thing that is followed."""

    box: BoxFilter
    number: int = _NO_NUMBER
    """From 0, once it was seen for long enough."""
    in_a_row: int = 1
    """Frames in which it was seen, up to the last."""
    missed: int = 0
    """Frames since it was seen."""

    def predict(self) -> None:
        """Go on by one frame."""
        self.box.predict()
        if self.missed:
            self.in_a_row = 0
        self.missed += 1

    def see(self, edges: _Edges) -> None:
        """Take where it is."""
        self.box.update(edges)
        self.in_a_row += 1
        self.missed = 0


class ByteTrack:
    """Numbers detections from frame to frame; lives as long as one analysis.

    Args:
        rate: Frames a second.
        lost_seconds: For so long it waits for a thing that is hidden.
        confirming_frames: Frames in a row in which a thing is seen before it gets a number.
        least_overlap: Of a box with where it is expected (0–1).
        min_confidence: Detections that are as sure as this begin tracks; others only continue one.
    """

    def __init__(
        self, rate: float, lost_seconds: float, confirming_frames: int, least_overlap: float, min_confidence: float
    ) -> None:
        self._most_missed = max(1, ceil(rate / 30 * round(lost_seconds * 30)))
        self._confirming, self._least_overlap, self._sure = confirming_frames, least_overlap, min_confidence
        self._followed: list[_Followed] = []
        self._count = 0

    def number(self, found: Detections, scale: NDArray[np.float64]) -> list[tuple[int, int]]:
        """Return the number, from 0, and the row of each detection that is of a track.

        Args:
            found: What was detected in the next frame.
            scale: Multiplies the edges of its boxes.
        """
        for each in self._followed:
            each.predict()
        boxes: list[_Edges] = (found.boxes * scale).tolist() if len(found) else []
        is_sure: list[bool] = (found.confidences >= self._sure).tolist()
        sure = [row for row, so in enumerate(is_sure) if so]
        numbered, others, new = self._continued(self._followed, boxes, sure)
        if others and len(sure) < len(boxes):
            unsure = [row for row, so in enumerate(is_sure) if not so]
            numbered += self._continued(others, boxes, unsure)[0]
        self._followed = [each for each in self._followed if self._is_kept(each)]
        self._followed += [_Followed(BoxFilter(boxes[row])) for row in new]
        return numbered

    def _continued(
        self, followed: list[_Followed], boxes: list[_Edges], rows: list[int]
    ) -> tuple[list[tuple[int, int]], list[_Followed], list[int]]:
        """Continue tracks with boxes of these rows; return those with a number, and what is left of tracks and rows."""
        pairs = _paired([each.box.place for each in followed], [boxes[row] for row in rows], self._least_overlap)
        numbered = list[tuple[int, int]]()
        for index, place in pairs:
            each, row = followed[index], rows[place]
            each.see(boxes[row])
            if each.number == _NO_NUMBER and each.in_a_row >= self._confirming:
                each.number, self._count = self._count, self._count + 1
            if each.number != _NO_NUMBER:
                numbered.append((each.number, row))
        seen, taken = {index for index, _ in pairs}, {place for _, place in pairs}
        others = [each for index, each in enumerate(followed) if index not in seen]
        return numbered, others, [row for place, row in enumerate(rows) if place not in taken]

    def _is_kept(self, each: _Followed) -> bool:
        """Say whether it is waited for: what was not seen for long enough yet must be seen in every frame."""
        is_known = each.number != _NO_NUMBER or each.in_a_row >= self._confirming
        return not each.missed or (is_known and each.missed <= self._most_missed)


def _paired(expected: list[_Edges], seen: list[_Edges], least: float) -> list[tuple[int, int]]:
    """Return which boxes belong together, so that they overlap as much as can be in all, by the first ones' order."""
    overlaps = _overlaps(expected, seen)
    firsts, seconds = {pair[0] for pair in overlaps}, {pair[1] for pair in overlaps}
    if len(firsts) == len(seconds) == len(overlaps):  # no box has a choice
        return [pair for pair, overlap in overlaps.items() if overlap >= least]
    from scipy.optimize import linear_sum_assignment

    matrix = np.zeros((len(expected), len(seen)))
    for pair, overlap in overlaps.items():
        matrix[pair] = overlap
    best = zip(*(each.tolist() for each in linear_sum_assignment(matrix, maximize=True)), strict=True)
    return [pair for pair in best if overlaps.get(pair, 0.0) >= least]


def _overlaps(expected: list[_Edges], seen: list[_Edges]) -> dict[tuple[int, int], float]:
    """Return intersection over union of those that overlap, by their places in both lists."""
    found = dict[tuple[int, int], float]()
    for index, (left, top, right, bottom) in enumerate(expected):
        area = (right - left) * (bottom - top)
        for place, (other_left, other_top, other_right, other_bottom) in enumerate(seen):
            if other_left < right and left < other_right and other_top < bottom and top < other_bottom:
                across = min(right, other_right) - max(left, other_left)
                common = across * (min(bottom, other_bottom) - max(top, other_top))
                areas = area + (other_right - other_left) * (other_bottom - other_top)
                found[index, place] = common / max(areas - common, _SMALLEST)
    return found
