"""Operations on single frames that need no model: hide, and cut out. Each is called with every frame, in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.media.frames import Picture
from tasks.media.hiding import Area, HideMethod, hide

_SAME_SHAPE = 0.01
_AT_REST = 0.02  # pixels a frame


@dataclass(frozen=True)
class Window:
    """A part of the picture of one size, which can move along one axis."""

    size: tuple[int, int]
    """Width and height in pixels, both even."""
    axis: int
    """0: across the picture, 1: up and down."""

    def share_of(self, picture: tuple[int, int]) -> float:
        """Return its length along its axis as a share of a picture's (width, height)."""
        return self.size[self.axis] / picture[self.axis]


def crop_window(size: tuple[int, int], ratio: Fraction) -> Window | None:
    """Return the largest window of a shape (width / height) in a picture of a size; ``None`` if it has that shape."""
    width, height = size
    if abs(width / height / ratio - 1) < _SAME_SHAPE:
        return None
    if width / height > ratio:
        return Window((_even(height * ratio), height), axis=0)
    return Window((width, _even(width / ratio)), axis=1)


def enlarged(size: tuple[int, int], short_side: int) -> tuple[int, int] | None:
    """Return a size with that shorter side (pixels), of the same shape; ``None`` if it has as many already."""
    if min(size) >= short_side:
        return None
    scale = Fraction(short_side, min(size))
    return _even(size[0] * scale), _even(size[1] * scale)


class HideFaces:
    """Hides areas of each frame (pixels), in place."""

    def __init__(self, areas: Sequence[Sequence[Area]], method: HideMethod) -> None:
        self._areas = areas
        self._method = method

    def __call__(self, index: int, picture: Picture) -> Picture:
        """Return the frame without what is to be hidden."""
        for area in self._areas[min(index, len(self._areas) - 1)]:
            hide(picture, area, self._method)
        return picture


class Crop:
    """Cuts a window out of each frame, at a place of its own in each.

    A window that moves lies between pixels, so that slow moves do not stutter; one that rests lies on them, so that
    nothing is softened.
    """

    def __init__(self, window: Window, centres: NDArray[np.float64]) -> None:
        self._window = window
        self._centres = centres

    def __call__(self, index: int, picture: Picture) -> Picture:
        """Return the part of the frame."""
        axis, (width, height) = self._window.axis, self._window.size
        extent, length = picture.shape[1 - axis], self._window.size[axis]
        index = min(index, len(self._centres) - 1)
        start = float(np.clip(self._centres[index] * extent - length / 2, 0, extent - length))
        speed = abs(self._centres[index] - self._centres[max(0, index - 1)]) * extent
        whole = round(start)
        if speed < _AT_REST or abs(start - whole) < _AT_REST:
            part = picture[:, whole : whole + length] if axis == 0 else picture[whole : whole + length]
            return np.ascontiguousarray(part)
        x, y = (start, 0.0) if axis == 0 else (0.0, start)
        shift = np.array([[1, 0, -x], [0, 1, -y]], dtype=np.float64)
        moved = cv2.warpAffine(picture, shift, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, dtype=np.uint8)


def _even(pixels: Fraction | float) -> int:
    return max(2, int(pixels / 2 + Fraction(1, 2)) * 2)
