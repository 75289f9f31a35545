"""What a resting camera sees where nothing moves: for each pixel two colours, as it mostly is and as it also is.

A mixture of Gaussians with two components (Stauffer & Grimson 1999; which colours are background and how fast they are
learnt: Zivkovic 2004, as OpenCV's MOG2), with two liberties that make it ten times as fast on small pictures:

* Every frame is *compared*, but learnt from a few times a second only. What the comparison needs is laid down as the
  least and the greatest value that each pixel may have, so that comparing is one operation a colour.
* Brightness and both colour differences are kept apart, as they are coded, each with components of its own, and limits
  take the place of a distance: ``|x − mean| ≤ 4.5 σ``, σ told by the mean absolute deviation (``σ = 1.25 MAD``).

A shadow dims what it falls on by less than half and leaves colour as it is (Prati et al. 2003): that is background too.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.media.frames import Planes
from tasks.models.analysis.plan import Picture

_MEMORY_SECONDS = 30.0
"""For about a tenth of it a thing may rest before it counts as background."""
_FOREGROUND_SHARE = 0.1
"""Of the memory, that is no background: what was there for longer is."""
_LEARNING_SECONDS = 0.4
"""From one frame that is learnt from to the next."""
_BEGINNING_SECONDS = 2.0
"""In which every frame is."""
_DEVIATIONS = 5.6
"""Mean absolute deviations in 4.5 standard deviations of a Gaussian."""
_LEAST, _FIRST, _MOST = 5, 9, 19
"""Of 255: limits of by how much a resting pixel may differ, and what is taken before its noise is known."""
_NEW_SHARE = 0.2
"""Of the next look at a colour that is seen for the first times."""
_ONCE = 1.5
"""What was seen less often than this makes way for what is seen now; in the beginning that is background already."""
_BLACK = 16
_SURE = 255.0
"""The weight of what is always seen: weights are learnt from masks."""

_Values = NDArray[np.float32]


@dataclass(eq=False)
class _Layer:
    """One colour of each pixel, of all three planes."""

    mean: _Values
    weight: _Values
    """For which share of the memory it was seen, 0–255."""
    usual: Picture
    """The mean in whole numbers."""
    least: Picture
    greatest: Picture


class Background:
    """Learns the background of a scene; lives as long as the scene.

    Args:
        rate: Frames a second.
        first: The scene's first frame.
    """

    def __init__(self, rate: float, first: Planes) -> None:
        self._every = max(1, round(_LEARNING_SECONDS * rate))
        self._beginning = round(_BEGINNING_SECONDS * rate)
        self._steps = _MEMORY_SECONDS * rate / self._every
        self._frames = self._learnt = 1
        self._rows = len(first) * 2 // 3
        self._noise = np.full(first.shape, _FIRST / _DEVIATIONS, np.float32)
        self._tolerance = np.full(first.shape, _FIRST, np.uint8)
        self._limits = np.full_like(first, _LEAST), np.full_like(first, _MOST)
        self._none = np.zeros_like(first)
        self._first, self._second = (
            _Layer(first.astype(np.float32), np.full(first.shape, weight, np.float32), first, first, first)
            for weight in (_SURE, 0.0)
        )
        self._lay_down()

    def foreground(self, planes: Planes) -> Picture:
        """Return where the next frame is not background: height × width, 0 or 255."""
        is_background = cv2.inRange(planes, self._first.least, self._first.greatest)
        cv2.bitwise_or(is_background, cv2.inRange(planes, self._second.least, self._second.greatest), is_background)
        self._frames += 1
        if self._frames <= self._beginning or self._frames % self._every == 0:
            self._learn(planes)
        return self._merged(is_background)

    def _merged(self, is_background: Picture) -> Picture:
        """Background is what is so in brightness and in both colour differences."""
        rows, columns = self._rows, is_background.shape[1]
        first, second = is_background[rows:].reshape(2, rows // 2, columns // 2)
        colours = cv2.bitwise_and(first, second)
        wide = cv2.merge([colours, colours]).reshape(rows // 2, columns)
        whole = cv2.hconcat([wide, wide]).reshape(rows, columns)  # each row twice
        return np.asarray(cv2.bitwise_not(cv2.bitwise_and(is_background[:rows], whole)), np.uint8)

    def _learn(self, planes: Planes) -> None:
        self._learnt += 1
        share = 1 / min(self._learnt, self._steps)
        first, second = self._first, self._second
        differs = cv2.absdiff(planes, first.usual)
        is_first = cv2.compare(differs, self._tolerance, cv2.CMP_LE)
        cv2.accumulateWeighted(planes, first.mean, share, is_first)
        cv2.accumulateWeighted(differs, self._noise, share, is_first)
        cv2.accumulateWeighted(is_first, first.weight, share)
        is_second = cv2.compare(cv2.absdiff(planes, second.usual), self._tolerance, cv2.CMP_LE)
        is_second = cv2.subtract(is_second, is_first)
        cv2.accumulateWeighted(planes, second.mean, max(share, _NEW_SHARE), is_second)
        # What is neither becomes the second, where that is not background.
        is_free = self._is_free
        if share * _ONCE > _FOREGROUND_SHARE:
            is_free = cv2.compare(second.weight, share * _ONCE * _SURE, cv2.CMP_LE)
        is_new = cv2.subtract(cv2.subtract(is_free, is_first), is_second)
        cv2.accumulateWeighted(planes, second.mean, 1, is_new)
        cv2.accumulateWeighted(self._none, second.weight, 1, is_new)
        cv2.accumulateWeighted(cv2.bitwise_or(is_second, is_new), second.weight, share)
        is_heavier = cv2.compare(second.weight, first.weight, cv2.CMP_GT)
        if cv2.countNonZero(is_heavier):
            _swap(first.mean, second.mean, is_heavier)
            _swap(first.weight, second.weight, is_heavier)
        self._lay_down()

    def _lay_down(self) -> None:
        tolerance = cv2.convertScaleAbs(self._noise, alpha=_DEVIATIONS)
        self._tolerance = cv2.min(cv2.max(tolerance, self._limits[0], tolerance), self._limits[1], tolerance)
        for layer in (self._first, self._second):
            layer.usual = cv2.convertScaleAbs(layer.mean)
            layer.least = cv2.subtract(layer.usual, self._tolerance)
            layer.greatest = cv2.add(layer.usual, self._tolerance)
            bright = layer.least[: self._rows]
            cv2.min(bright, (layer.usual[: self._rows] >> 1) + _BLACK // 2, bright)
        self._is_free = cv2.compare(self._second.weight, _FOREGROUND_SHARE * _SURE, cv2.CMP_LE)
        # Nothing is as great as 255 and as small as 0 at once.
        cv2.subtract(self._second.greatest, self._is_free, self._second.greatest)
        cv2.bitwise_or(self._second.least, self._is_free, self._second.least)


def _swap(one: _Values, other: _Values, where: Picture) -> None:
    before = one.copy()
    cv2.copyTo(other, where, one)
    cv2.copyTo(before, where, other)
