"""What a detector finds in one frame, and what every detector is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np

from tasks.media.frames import Planes
from tasks.models.analysis.plan import Picture, Sampled

SMALL_SIDE = 192
"""Longer side, in pixels, of the small copy that is made of each frame for all that needs no more."""
CELLS = (32, 18)
"""Columns and rows."""


class Look:
    """One frame with the copies of it that several parts of an analysis look at, each made when it is asked for first.

    Of the two ways to code colours by, OpenCV takes one for all: nothing here minds.

    Args:
        sampled: The frame.
    """

    def __init__(self, sampled: Sampled) -> None:
        self.frame, self.at_seconds = sampled.frame, sampled.at_seconds
        self._pixels = sampled.pixels
        self._is_whole = sampled.pixels.ndim == 3
        if not self._is_whole:
            self.planes = sampled.pixels

    @cached_property
    def bgr(self) -> Picture:
        """As large as it was given."""
        return self._pixels if self._is_whole else np.asarray(cv2.cvtColor(self._pixels, cv2.COLOR_YUV2BGR_I420))

    @cached_property
    def planes(self) -> Planes:
        """Its longer side is :data:`SMALL_SIDE` or shorter."""
        return _coded(self._pixels)

    @cached_property
    def grey(self) -> Picture:
        """Height × width, 0–255; its longer side is :data:`SMALL_SIDE` or shorter."""
        return _grey(self.planes[: len(self.planes) * 2 // 3])

    @cached_property
    def half(self) -> Picture:
        """:attr:`grey` at half its size."""
        rows, columns = self.grey.shape
        return _shrunk(self.grey, rows // 2, columns // 2)  # halves are ten times as fast as others

    @cached_property
    def quarter(self) -> Picture:
        """A quarter of :attr:`grey` each way."""
        rows, columns = self.grey.shape
        return _shrunk(self.half, max(1, rows // 4), max(1, columns // 4))

    @cached_property
    def cells(self) -> Picture:
        """Mean grey of each of 18 × 32 parts of the picture, in which coding and noise are evened out."""
        return _shrunk(self.quarter, *CELLS[::-1])


Edges = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found in one frame, each at the same place of all three. Plain numbers: there are a handful."""

    boxes: Sequence[Edges]
    """In shares (0–1) of the picture."""
    confidences: Sequence[float]
    """0–1."""
    labels: Sequence[str]

    @classmethod
    def none(cls) -> "Detections":
        """Nothing was found."""
        return cls((), (), ())

    def __len__(self) -> int:
        return len(self.labels)


class Detector(Protocol):
    """Finds things in frames that come in order; lives as long as one analysis."""

    @property
    def name(self) -> str:
        """What detects, for a person."""

    @property
    def is_simulated(self) -> bool:
        """Whether what it finds is made up."""

    def detect(self, look: Look) -> Detections:
        """Find things in the next frame."""


def look_at(sampled: Sampled) -> Look:
    """Take a frame, and make those copies of it that are needed in any case."""
    look = Look(sampled)
    _ = look.grey, look.cells
    return look


def looks_at(frames: Sequence[Sampled]) -> list[Look]:
    """Take frames as :func:`look_at` does; those that allow it in one tall picture, which takes less long."""
    rows, columns = frames[0].pixels.shape[0] * 2 // 3, frames[0].pixels.shape[1]
    if frames[0].pixels.ndim == 3 or rows % 4 or columns % 4:
        return [look_at(each) for each in frames]
    looks, count = [Look(each) for each in frames], len(frames)
    grey = _grey(np.concatenate([each.pixels[:rows] for each in frames]))
    half = _shrunk(grey, len(grey) // 2, columns // 2)
    quarter = _shrunk(half, len(grey) // 4, columns // 4)
    for place, look in enumerate(looks):
        look.grey = grey[place * rows : (place + 1) * rows]
        look.half = half[place * rows // 2 : (place + 1) * rows // 2]
        look.quarter = quarter[place * rows // 4 : (place + 1) * rows // 4]
    for look, cells in zip(
        looks, _shrunk(quarter, count * CELLS[1], CELLS[0]).reshape(count, *CELLS[::-1]), strict=True
    ):
        look.cells = cells
    return looks


def tiny_bgr(looks: Sequence[Look]) -> Picture:
    """Return frames of one size at a quarter of :attr:`Look.grey` each way, one below the other, a little paler."""
    rows, columns = looks[0].grey.shape
    tiny_rows, tiny_columns = looks[0].quarter.shape
    colours = [look.planes[rows:].reshape(2, rows // 2, columns // 2) for look in looks]
    if rows % 4 or columns % 4:
        blue, red = (
            np.concatenate([_shrunk(each[which], tiny_rows, tiny_columns) for each in colours]) for which in (0, 1)
        )
    else:
        blue, red = (
            _shrunk(np.concatenate([each[which] for each in colours]), tiny_rows * len(looks), tiny_columns)
            for which in (0, 1)
        )
    grey = np.concatenate([look.quarter for look in looks])
    return np.asarray(cv2.cvtColor(cv2.merge([grey, red, blue]), cv2.COLOR_YCrCb2BGR), np.uint8)


def _grey(brightness: Picture) -> Picture:
    """Return brightness from black to white, as it is coded, in 0–255."""
    return np.asarray(cv2.convertScaleAbs(brightness, alpha=255 / 219, beta=-16 * 255 / 219), np.uint8)


def _coded(picture: Picture) -> Planes:
    """Return a picture (BGR) small, as small ones are given."""
    height, width = picture.shape[:2]
    scale = min(1.0, SMALL_SIDE / max(height, width))
    size = max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
    if size != (width, height):
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)


def _shrunk(picture: Picture, rows: int, columns: int) -> Picture:
    return np.asarray(cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
