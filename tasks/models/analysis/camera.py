"""Does the camera stand still? While it does not, a background model sees everything move, and nothing can be said.

A few times a second, and at once when much of the picture seems to move, it is found out how most of the picture has
shifted, turned and grown since a moment ago; a slow pan shows within a second. That takes longer than all else that is
done with a frame, so that it is left out where most edges in the picture are plainly where they were.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.models.analysis.plan import Picture
from tasks.models.survey import camera_motion

_SIDE = 128
_SHIFTED = 0.006
"""Of the picture's longer side: more than compression and a lamp post in the wind do."""
_LOOK_SECONDS = 0.3
_ANCHOR_SECONDS = 1.0
_SETTLING_SECONDS = 0.5
_MUCH = 0.08
"""Share of the picture that seems to move, from which on one looks at once."""
_EDGE = 8
"""Of 255 a pixel, that brightness changes by at an edge."""
_SOBEL = 8
"""The sum of Sobel's weights."""
_LEAST_EDGES, _MOST_EDGES = 100, 2000
_STEADY = 0.12
"""Pixels, by which an edge has moved at most that is where it was; by coding and noise most seem to move by half of it,
and a picture that is a third of a pixel away by more."""


class CameraGuard:
    """Tells whether the camera moves; lives as long as one analysis.

    Args:
        rate: Frames looked at, a second.
    """

    def __init__(self, rate: float) -> None:
        self._look_frames = max(1, round(_LOOK_SECONDS * rate))
        self._anchor_frames = max(1, round(_ANCHOR_SECONDS * rate))
        self._settling_frames = max(1, round(_SETTLING_SECONDS * rate))
        self._anchor: _View | None = None
        self._last: Picture | None = None
        self._anchor_age = 0
        self._moved_ago = self._settling_frames

    @property
    def is_moving(self) -> bool:
        """Whether it moves, or did a moment ago."""
        return self._moved_ago < self._settling_frames

    def look(self, grey: Picture, foreground_share: float, *, is_doubtful: bool = False) -> None:
        """Take the next frame, how much of it (0–1) seems to move, and whether that cannot be relied on yet."""
        is_urgent = is_doubtful or foreground_share > _MUCH
        self._anchor_age += 1
        self._moved_ago += 1
        before, self._last = self._last, grey
        is_due = is_urgent or (foreground_share > 0 and self._anchor_age % self._look_frames == 0)
        if self._anchor is not None and not is_due:
            return
        now = _tiny(grey)
        # A fast pan shows from one frame to the next, before everything has gone out of the picture.
        others = [self._anchor] if not is_urgent or before is None else [_View.of(_tiny(before)), self._anchor]
        if any(other is not None and other.has_moved(now) for other in others):
            self._moved_ago = 0
        if self._anchor is None or self._moved_ago == 0 or self._anchor_age >= self._anchor_frames:
            self._anchor, self._anchor_age = _View.of(now), 0


@dataclass(frozen=True, eq=False)
class _View:
    """A small picture, and where edges are in it, of which later ones are told to be the same view or another."""

    picture: Picture
    edges: NDArray[np.intp]
    """Places of edges in the picture's pixels, row by row: some of them, all over it."""
    brightness: NDArray[np.int16]
    """Of those pixels."""
    limits: NDArray[np.int16]
    """By more their brightness does not change while they rest."""

    @classmethod
    def of(cls, picture: Picture) -> "_View":
        across, down = cv2.spatialGradient(picture)
        slopes = np.maximum(np.abs(across), np.abs(down)).ravel()
        edges = np.flatnonzero(slopes >= _EDGE * _SOBEL)
        edges = edges[:: max(1, len(edges) // _MOST_EDGES)]
        limits = (slopes[edges] * (_STEADY / _SOBEL)).astype(np.int16)
        return cls(picture, edges, picture.ravel()[edges].astype(np.int16), limits)

    def has_moved(self, now: Picture) -> bool:
        """Say whether a later picture is another view."""
        if len(self.edges) >= _LEAST_EDGES:
            changed = np.count_nonzero(np.abs(now.ravel()[self.edges] - self.brightness) > self.limits)
            if changed < len(self.edges) / 2:
                return False
        return _shift(self.picture, now) > _SHIFTED


def _tiny(grey: Picture) -> Picture:
    """Return a picture smaller, by less than half: means of areas that share pixels would take ten times as long."""
    height, width = grey.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _shift(before: Picture, now: Picture) -> float:
    """How far the corner of the picture that moved most has moved, in shares of the longer side."""
    height, width = now.shape
    corners: NDArray[np.float64] = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    moved = corners @ camera_motion(before, now).T - corners[:, :2]
    return float(np.hypot(moved[:, 0], moved[:, 1]).max() / max(height, width))
