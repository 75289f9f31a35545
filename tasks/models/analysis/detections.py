"""What a detector finds in one frame, and what every detector is."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.media.frames import Planes
from tasks.models.analysis.plan import Picture, Sampled

SMALL_SIDE = 256
"""Longer side, in pixels, of the small copy that is made of each frame for all that needs no more."""
MOTION_SIDE = 192
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

    @cached_property
    def bgr(self) -> Picture:
        """As large as it was given."""
        return self._pixels if self._is_whole else _as_bgr(self._pixels)

    @cached_property
    def grey(self) -> Picture:
        """Height × width; its longer side is :data:`SMALL_SIDE` or shorter."""
        if self._is_whole:
            return np.asarray(cv2.cvtColor(self._small_bgr, cv2.COLOR_BGR2GRAY), np.uint8)
        brightness = self._pixels[: len(self._pixels) * 2 // 3]
        return np.asarray(cv2.convertScaleAbs(brightness, alpha=255 / 219, beta=-16 * 255 / 219), np.uint8)

    @cached_property
    def planes(self) -> Planes:
        if self._is_whole:
            return np.asarray(cv2.cvtColor(self._small_bgr, cv2.COLOR_BGR2YUV_I420), np.uint8)
        return self._pixels

    @cached_property
    def motion_bgr(self) -> Picture:
        """Its longer side is :data:`MOTION_SIDE` or shorter: a background model takes as long as it has pixels."""
        if self._is_whole:
            height, width = self._small_bgr.shape[:2]
            return _resized(self._small_bgr, _even(width, height), cv2.INTER_LINEAR)
        return _as_bgr(_shrunk(self._pixels))

    @cached_property
    def tiny_bgr(self) -> Picture:
        """Half of that each way: whole steps are ten times as fast as others."""
        height, width = self.motion_bgr.shape[:2]
        return _resized(self.motion_bgr, (width // 2, height // 2), cv2.INTER_AREA)

    @cached_property
    def cells(self) -> Picture:
        """Mean grey of each of 18 × 32 parts of the picture, in which coding and noise are evened out."""
        tiny = np.asarray(cv2.cvtColor(self.tiny_bgr, cv2.COLOR_BGR2GRAY), np.uint8)
        return _resized(tiny, CELLS, cv2.INTER_AREA)

    @cached_property
    def _small_bgr(self) -> Picture:
        height, width = self._pixels.shape[:2]
        scale = SMALL_SIDE / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return self._pixels if scale >= 1 else _resized(self._pixels, size, cv2.INTER_AREA)


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in one frame; rows of all three belong together."""

    boxes: NDArray[np.float32]
    """n × 4: left, top, right, bottom in shares (0–1) of the picture."""
    confidences: NDArray[np.float32]
    """n, 0–1."""
    labels: tuple[str, ...]

    @classmethod
    def none(cls) -> "Detections":
        """Nothing was found."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), ())

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


def _even(width: int, height: int) -> tuple[int, int]:
    """Return the size of what motion is found in, in even numbers."""
    scale = min(1.0, MOTION_SIDE / max(width, height))
    return max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2)


def _shrunk(planes: Planes) -> Planes:
    """Return a frame at the size at which motion is found in it."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    size = _even(width, height)
    if size == (width, height):
        return planes
    made = np.empty((size[1] * 3 // 2, size[0]), np.uint8)
    for given, taken in zip(_planes_of(planes, width, height), _planes_of(made, *size), strict=True):
        cv2.resize(given, taken.shape[::-1], taken, interpolation=cv2.INTER_LINEAR)
    return made


def _planes_of(planes: Planes, width: int, height: int) -> tuple[Picture, Picture, Picture]:
    """Return views of the brightness and of both colour differences."""
    brightness, differences = planes[:height], planes[height:].reshape(2, height // 2, width // 2)
    return brightness, differences[0], differences[1]


def _as_bgr(planes: Planes) -> Picture:
    return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420), np.uint8)


def _resized(picture: Picture, size: tuple[int, int], method: int) -> Picture:
    if picture.shape[1::-1] == size:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.uint8)
