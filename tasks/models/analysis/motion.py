"""Whatever moves before a resting background: what differs from it, cleaned up and cut into pieces.

It finds people and cars as well as shadows of clouds, does not know what they are, and sees two who walk arm in arm as
one. It needs a camera that stands still; while it does not, nothing is found.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from tasks.models.analysis.background import Background
from tasks.models.analysis.camera import CameraGuard
from tasks.models.analysis.detections import Detections, Look
from tasks.models.analysis.plan import Picture

LABEL = "moving"

_Box = Sequence[int]
_Thing = tuple[Any, _Box, float]
"""Its outline, its box and its area, in pixels."""

_LEAST_SHARE = 4e-4
"""Of the picture, that a thing covers."""
_CHANGED_SHARE = 0.4
"""More foreground than this is a cut or a change of light: another background, not things that move."""
_LEARNING_SECONDS = 0.4
_TRUSTING_SECONDS = 1.0
_SPECK = 2
"""Pixels: barrier tape in the wind and grains of noise are thinner."""
_GAP = 6
"""Pixels from above to below: a belt or a shadow cuts people across; what is side by side is two."""
_SPECKS, _GAPS = np.ones((_SPECK, _SPECK), np.uint8), np.ones((_GAP, 1), np.uint8)
_GROWN = np.ones((_SPECK + _GAP - 1, _SPECK), np.uint8)
_CHECKING_SECONDS, _YOUNG_SECONDS = 0.2, 20.0
"""From one look for ghosts to the next while a background is young, when most of them are; five times that later."""
_TREMBLING = 2
"""Pixels, by which the edges of what rests may come and go."""
_EDGE = 3
"""Pixels that the edge of a thing is wide."""
_LEAST_STEP, _GHOSTLY = 24, 1.5
"""What brightness changes by at a ghost's edge in the background: at least (Sobel's sums of both directions), and how
many times as much as in the picture."""
_FULL = 0.35
"""Share of its box that a thing fills, from which on that is as sure as can be."""


class MotionDetector:
    """Finds what moves; lives as long as one analysis.

    Args:
        rate: Frames looked at, a second.
    """

    name = f"motion (background of two layers, OpenCV {cv2.__version__})"
    is_simulated = False

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._background: Background | None = None
        self._learning_frames = max(2, round(_LEARNING_SECONDS * rate))
        self._trusting_frames = max(2, round(_TRUSTING_SECONDS * rate))
        self._checking_frames = max(2, round(_CHECKING_SECONDS * rate))
        self._young_frames = round(_YOUNG_SECONDS * rate)
        self._camera = CameraGuard(rate)
        self._boxes: list[_Box] = []
        """Of what was there at the last check, in pixels."""
        self._age = 0

    def detect(self, look: Look) -> Detections:
        """Find what moves in the next frame; nothing while the background is learnt or the camera moves."""
        if self._background is None:
            self._background = Background(self._rate, look.planes)
        mask = _cleaned(self._background.foreground(look.planes))
        share = cv2.countNonZero(mask) / mask.size
        self._age += 1
        # A background that is only being learnt hides that the camera moves.
        self._camera.look(look.grey, share, is_doubtful=self._age <= self._trusting_frames)
        if self._camera.is_moving or (self._age > 1 and share > _CHANGED_SHARE):
            self._relearn(look)
        things = _things(mask)
        if self._age % (self._checking_frames if self._age < self._young_frames else 5 * self._checking_frames) == 0:
            self._lay_ghosts(things, look)
        return _detections(things, mask.shape) if self._age > self._learning_frames else Detections.none()

    def _lay_ghosts(self, things: list[_Thing], look: Look) -> None:
        """Teach the background what lies bare where something stood when it was first seen, and has left since."""
        assert self._background is not None
        before, self._boxes = self._boxes, [box for _, box, _ in things]
        for outline, box, _ in things:
            has_rested = any(_rests(box, other) for other in before)
            if has_rested and _is_ghost(outline, box, look.planes, self._background.usual):
                self._background.forget(outline, look.planes)

    def _relearn(self, look: Look) -> None:
        """Begin with another background, which this frame is the first of."""
        if self._age > 1:
            self._background = Background(self._rate, look.planes)
            self._age = 1


def _cleaned(mask: Picture) -> Picture:
    """Take specks out and close gaps: morphological opening and closing, their two dilations in one."""
    mask = np.asarray(cv2.dilate(cv2.erode(mask, _SPECKS), _GROWN, anchor=(0, _GAP // 2)), np.uint8)
    return np.asarray(cv2.erode(mask, _GAPS), np.uint8)


def _rests(box: _Box, before: _Box) -> bool:
    """Say whether what is in a box now is where it was at the last check."""
    left, top, wide, high = box
    return (
        abs(left - before[0]) <= _TREMBLING
        and abs(top - before[1]) <= _TREMBLING
        and abs(wide - before[2]) <= _TREMBLING
        and abs(high - before[3]) <= _TREMBLING
    )


def _is_ghost(outline: Any, box: _Box, planes: Picture, usual: Picture) -> bool:
    """Say whether an outline is one in the background, and not in the picture: nothing is there any more.

    As Cucchiara et al. tell ghosts from things, by what is seen at their edges (2003, doi:10.1109/TPAMI.2003.1233909).
    """
    left, top, wide, high = box
    left, top = max(0, left - _EDGE), max(0, top - _EDGE)
    part = np.s_[top : top + high + 2 * _EDGE, left : left + wide + 2 * _EDGE]
    rows = len(planes) * 2 // 3
    now, before = (_steps(picture[:rows][part]) for picture in (planes, usual))
    edge = cv2.drawContours(np.zeros(now.shape, np.uint8), [outline], -1, 255, _EDGE, offset=(-left, -top))
    seen, usually = (cv2.mean(steps, edge)[0] for steps in (now, before))
    return usually > _LEAST_STEP and usually > _GHOSTLY * seen


def _steps(brightness: Picture) -> Any:
    """Return by how much brightness changes from pixel to pixel."""
    across, down = cv2.spatialGradient(np.ascontiguousarray(brightness))
    return cv2.add(np.abs(across), np.abs(down))


def _things(mask: Picture) -> list[_Thing]:
    """Cut the foreground into things that are large enough to be some."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    least = _LEAST_SHARE * mask.size
    return [
        (outline, cv2.boundingRect(outline), area)
        for outline in outlines
        if (area := cv2.contourArea(outline)) >= least
    ]


def _detections(things: list[_Thing], shape: tuple[int, ...]) -> Detections:
    height, width = shape
    boxes = [
        (left / width, top / height, (left + wide) / width, (top + high) / height)
        for _, (left, top, wide, high), _ in things
    ]
    sure = [min(1.0, 0.5 + 0.5 * (area / (wide * high)) / _FULL) for _, (_, _, wide, high), area in things]
    return Detections(boxes, sure, (LABEL,) * len(things))
