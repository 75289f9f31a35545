"""What a resting camera sees where nothing moves: for each pixel two colours, as it mostly is and as it also is.

A mixture of two Gaussians a pixel (Stauffer & Grimson, 1999, doi:10.1109/CVPR.1999.784637), in which what was seen in
more than a share of the time is background (Zivkovic, 2004, doi:10.1109/ICPR.2004.1333992: OpenCV's MOG2). MOG2 takes
300 µs for a picture of 192 × 144 pixels, this 25 µs for one of 256 × 192, and 160 µs when it learns, because

* each frame is compared, but learnt from only a few times a second;
* brightness and colour differences are kept apart, as they are coded, and limits take the place of a distance:
  ``|x − mean| ≤ 4.5 σ``, with σ by the mean absolute deviation (of a Gaussian ``σ = √(π/2) · MAD``). They are laid down
  when something was learnt, so that to compare is to look whether a value is between two others.

What dims a pixel by less than half and leaves its colour alone is a shadow (Prati et al., 2003,
doi:10.1109/TPAMI.2003.1206520), and background.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.media.frames import Planes
from tasks.models.analysis.plan import Picture

_MEMORY_SECONDS, _LEAST_STEPS = 30.0, 50
"""How far back it remembers, and in how many steps at least."""
_RESTING_SHARE = 0.1
"""Of the memory, or of what there is of it yet: what was seen for longer is background."""
_LEARNING_SECONDS = 0.4
"""From one frame that is learnt from to the next."""
_BEGINNING_SECONDS = 2.0
"""In which every frame is."""
_ONCE = 1.5
"""Steps: what was seen in fewer makes way for what is seen now, even if that is a large share of what there is yet."""
_DEVIATIONS = 5.6
"""4.5 standard deviations in mean absolute deviations."""
_LEAST, _FIRST, _MOST = 5, 9, 19
"""Of 255: by how much a resting pixel may differ at least and at most, and before its noise is known."""
_NEW_SHARE = 0.2
"""Of what is seen now, in the mean of a colour that is not known well yet."""
_BLACK = 16
"""Of brightness as it is coded."""
_ALWAYS = 255.0
"""The weight of what is always seen, since it is learnt from masks."""

_Values = NDArray[np.float32]


@dataclass(eq=False)
class _Layer:
    """One colour of each pixel; all as :data:`tasks.media.frames.Planes`."""

    mean: _Values
    weight: _Values
    """In which share of the memory it was seen, 0–255."""
    usual: Picture
    """The mean in whole numbers."""
    least: Picture
    greatest: Picture
    """Between these a value is of this colour; between none where the colour is not background."""


class Background:
    """Learns the background of a scene; lives as long as the scene.

    Args:
        rate: Frames a second.
        first: The scene's first frame.
    """

    def __init__(self, rate: float, first: Planes) -> None:
        self._every = max(1, round(_LEARNING_SECONDS * rate))
        self._beginning = round(_BEGINNING_SECONDS * rate)
        self._steps = max(_LEAST_STEPS, _MEMORY_SECONDS * rate / self._every)
        self._frames = self._learnt = 1
        self._rows = len(first) * 2 // 3
        self._noise = np.full(first.shape, _FIRST / _DEVIATIONS, np.float32)
        self._tolerance = np.full(first.shape, _FIRST, np.uint8)
        self._limits = np.full_like(first, _LEAST), np.full_like(first, _MOST)
        self._none = np.zeros_like(first)
        self._first, self._second = (
            _Layer(first.astype(np.float32), np.full(first.shape, weight, np.float32), first, first, first)
            for weight in (_ALWAYS, 0.0)
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
        """Take a frame into both colours; masks are of pixels that are of the first, of the second, or of neither."""
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
        # What is of neither becomes the second, where that is not background.
        is_free = self._is_free
        if share * _ONCE > _RESTING_SHARE:
            is_free = cv2.compare(second.weight, share * _ONCE * _ALWAYS, cv2.CMP_LE)
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
        """Make of means and noise what frames are compared with."""
        tolerance = cv2.convertScaleAbs(self._noise, alpha=_DEVIATIONS)
        self._tolerance = cv2.min(cv2.max(tolerance, self._limits[0]), self._limits[1])
        for layer in (self._first, self._second):
            layer.usual = cv2.convertScaleAbs(layer.mean)
            layer.least = cv2.subtract(layer.usual, self._tolerance)
            layer.greatest = cv2.add(layer.usual, self._tolerance)
            brightness = layer.least[: self._rows]
            cv2.min(brightness, (layer.usual[: self._rows] >> 1) + _BLACK // 2, brightness)
        self._is_free = cv2.compare(self._second.weight, _RESTING_SHARE * _ALWAYS, cv2.CMP_LE)
        # Nothing is 255 at least and 0 at most.
        cv2.bitwise_or(self._second.least, self._is_free, self._second.least)
        cv2.subtract(self._second.greatest, self._is_free, self._second.greatest)


def _swap(one: _Values, other: _Values, where: Picture) -> None:
    """Exchange values where a mask is not 0."""
    before = one.copy()
    cv2.copyTo(other, where, one)
    cv2.copyTo(before, where, other)
