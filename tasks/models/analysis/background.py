"""What a resting camera sees where nothing moves: for each pixel two colours, as it mostly is and as it also is.

A mixture of Gaussians (Stauffer & Grimson, 1999, doi:10.1109/CVPR.1999.784637), three a pixel, of which the last is no
background yet; what was seen in more than a share of the time is (Zivkovic, 2004, doi:10.1109/ICPR.2004.1333992, and
OpenCV's MOG2). MOG2 takes 300 µs for a picture of 192 × 144 pixels; this takes 25 µs, and another 140 µs when it
learns, because

* each frame is compared, but learnt from only twice a second;
* brightness and colour differences are kept apart, as they are coded, and limits take the place of a distance:
  ``|x − mean| ≤ 4.5 σ``, with σ by the mean absolute deviation (of a Gaussian ``σ = √(π/2) · MAD``). They are laid down
  when something was learnt, so that to compare is to look whether a value is between two others.

What dims a pixel by less than half and leaves its colour alone is a shadow (Prati et al., 2003,
doi:10.1109/TPAMI.2003.1206520), and background.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.media.frames import Planes
from tasks.models.analysis.plan import Picture

_MEMORY_SECONDS, _LEAST_STEPS = 30.0, 50
"""How far back it remembers, and in how many steps at least."""
_RESTING_SHARE = 0.1
"""Of the memory, or of what there is of it yet: what was seen for longer is background."""
_LEARNING_SECONDS = 0.5
"""From one frame that is learnt from to the next."""
_BEGINNING_SECONDS = 2.0
"""In which every frame is."""
_DEVIATIONS = 5.6
"""4.5 standard deviations in mean absolute deviations."""
_LEAST, _FIRST, _MOST = 5, 9, 19
"""Of 255: by how much a resting pixel may differ at least and at most, and before its noise is known."""
_NEW_SHARE = 0.2
"""Of what is seen now, in the mean of a colour that is not known well yet."""
_AROUND = 5
"""Pixels around an outline that are forgotten with it."""
_BLACK = 16
"""Of brightness as it is coded."""
_ALWAYS = 255.0
"""The weight of what is always seen, since it is learnt from masks."""
_RARE: Any = _RESTING_SHARE * _ALWAYS  # OpenCV's types know no number here


@dataclass(eq=False)
class _Layer:
    """One colour of each pixel; arrays as :data:`tasks.media.frames.Planes`."""

    usual: Any
    """Its mean in whole numbers."""
    weight: NDArray[np.float32]
    """In which share of the memory it was seen, 0–255."""
    mean: Any = None
    """``None``: it is as it was seen first."""


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
        self._limits = np.full_like(first, _LEAST), np.full_like(first, _MOST)
        self._all = np.full_like(first, 255)
        mostly, also, new = (np.full(first.shape, weight, np.float32) for weight in (_ALWAYS, 0, 0))
        means = (first.astype(np.float32) for _ in range(2))
        self._layers = _Layer(first, mostly, next(means)), _Layer(first, also, next(means)), _Layer(first.copy(), new)
        self._lay_down()

    def foreground(self, planes: Planes) -> Picture:
        """Return where the next frame is not background: height × width, 0 or 255."""
        mostly, also = (cv2.inRange(planes, least, greatest) for least, greatest in self._ranges)
        is_background = cv2.bitwise_or(mostly, also)
        self._frames += 1
        if self._frames <= self._beginning or self._frames % self._every == 0:
            self._learn(planes)
        return self._merged(is_background)

    @property
    def usual(self) -> Picture:
        """What is mostly seen; as :data:`tasks.media.frames.Planes`."""
        return np.asarray(self._layers[0].usual, np.uint8)

    def forget(self, outline: Any, planes: Planes) -> None:
        """Take what is seen now inside of an outline (pixels) for what was always seen there."""
        rows, columns = self._rows, planes.shape[1]
        inside = np.zeros((rows, columns), np.uint8)
        cv2.drawContours(inside, [outline], -1, 255, cv2.FILLED)
        cv2.drawContours(inside, [outline], -1, 255, _AROUND)
        is_it = np.concatenate([inside, np.tile(inside[::2, ::2].ravel(), 2).reshape(rows // 2, columns)])
        first = self._layers[0]
        cv2.copyTo(planes.astype(np.float32), is_it, first.mean)
        self._lay_down()

    def _merged(self, is_background: Any) -> Picture:
        """Background is what is so in brightness and in both colour differences."""
        rows, columns = self._rows, is_background.shape[1]
        first, second = is_background[rows:].reshape(2, rows // 2, columns // 2)
        colours = cv2.bitwise_and(first, second)
        wide = cv2.merge([colours, colours]).reshape(rows // 2, columns)
        whole = cv2.hconcat([wide, wide]).reshape(rows, columns)  # each row twice
        return np.asarray(cv2.bitwise_not(cv2.bitwise_and(is_background[:rows], whole)), np.uint8)

    def _learn(self, planes: Planes) -> None:
        """Take a frame into the layers: each value into the first that it is of, or else into the last, anew."""
        self._learnt += 1
        share = 1 / min(self._learnt, self._steps)
        is_left: Any = self._all
        for layer in self._layers:
            differs = cv2.absdiff(planes, layer.usual)
            is_it = cv2.bitwise_and(cv2.compare(differs, self._tolerance, cv2.CMP_LE), is_left)
            is_left = cv2.subtract(is_left, is_it)
            if layer is self._layers[0]:
                cv2.accumulateWeighted(planes, layer.mean, share, is_it)
                cv2.accumulateWeighted(differs, self._noise, share, is_it)
            elif layer.mean is not None:
                cv2.accumulateWeighted(planes, layer.mean, max(share, _NEW_SHARE), is_it)
            cv2.accumulateWeighted(is_it, layer.weight, share)
        first, second, last = self._layers
        cv2.copyTo(planes, is_left, last.usual)
        cv2.accumulateWeighted(np.full_like(planes, round(share * _ALWAYS)), last.weight, 1, is_left)
        _put_first(last, second)
        _put_first(second, first)
        self._lay_down()

    def _lay_down(self) -> None:
        """Make of means and noise what frames are compared with."""
        tolerance = cv2.convertScaleAbs(self._noise, alpha=_DEVIATIONS)
        self._tolerance = cv2.min(cv2.max(tolerance, self._limits[0]), self._limits[1])
        for layer in self._layers[:2]:
            layer.usual = cv2.convertScaleAbs(layer.mean)
        first, second = (self._range(layer.usual) for layer in self._layers[:2])
        is_rare = cv2.compare(self._layers[1].weight, _RARE, cv2.CMP_LE)
        # Nothing is 255 at least and 0 at most.
        self._ranges = first, (cv2.bitwise_or(second[0], is_rare), cv2.subtract(second[1], is_rare))

    def _range(self, usual: Picture) -> tuple[Any, Any]:
        """Return the least and the greatest values that are of a colour, or a shadow on it."""
        least, greatest = cv2.subtract(usual, self._tolerance), cv2.add(usual, self._tolerance)
        brightness = least[: self._rows]
        cv2.min(brightness, (usual[: self._rows] >> 1) + _BLACK // 2, brightness)
        return least, greatest


def _put_first(layer: _Layer, before: _Layer) -> None:
    """Exchange what is of a layer with what is of the one before where it is seen more often: in a few places."""
    where = np.flatnonzero(layer.weight > before.weight)
    if not len(where):
        return
    _exchange(layer.weight, before.weight, where)
    if layer.mean is not None:
        _exchange(layer.mean, before.mean, where)
    else:
        before.mean.ravel()[where] = layer.usual.ravel()[where]
        layer.usual.ravel()[where] = before.usual.ravel()[where]


def _exchange(one: Any, other: Any, where: NDArray[np.intp]) -> None:
    ones, others = one.ravel(), other.ravel()  # views
    ones[where], others[where] = others[where], ones[where]
