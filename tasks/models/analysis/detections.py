"""What a detector finds in one frame, and what every detector is."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.models.analysis.plan import Picture, Sampled

SMALL_SIDE = 256
"""Longer side, in pixels, of the small copy that is made of each frame for all that needs no more."""
CELLS = (32, 18)
"""Columns and rows."""


@dataclass(frozen=True, eq=False)
class Look:
    """One frame with the small copies of it that several parts of an analysis look at."""

    frame: int
    """Its number, from 0, at the video's rate."""
    at_seconds: float
    bgr: Picture
    """As large as it was given."""
    small_bgr: Picture
    """Its longer side is :data:`SMALL_SIDE` or shorter."""
    grey: Picture
    """Height × width, of the same size."""
    tiny_bgr: Picture
    """A quarter of that each way."""
    cells: Picture
    """Mean grey of each of 18 × 32 parts of the picture, in which coding and noise are evened out."""


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
    """Make the small copies of a frame."""
    pixels = sampled.pixels
    # Of the two ways to code colours by, OpenCV takes one for all: nothing here minds.
    bgr = pixels if pixels.ndim == 3 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420), np.uint8)
    height, width = bgr.shape[:2]
    scale = SMALL_SIDE / max(height, width)
    small = bgr if scale >= 1 else _resized(bgr, (max(1, round(width * scale)), max(1, round(height * scale))))
    tiny = _quartered(small)
    cells = _resized(np.asarray(cv2.cvtColor(tiny, cv2.COLOR_BGR2GRAY), np.uint8), CELLS)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    return Look(sampled.frame, sampled.at_seconds, bgr, small, grey, tiny, cells)


def _quartered(picture: Picture) -> Picture:
    """Halve a picture twice, less a few pixels at its edges: whole steps are ten times as fast as others."""
    for _ in range(2):
        height, width = picture.shape[:2]
        if min(height, width) < 2:
            break
        picture = _resized(picture[: height // 2 * 2, : width // 2 * 2], (width // 2, height // 2))
    return picture


def _resized(picture: Picture, size: tuple[int, int]) -> Picture:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
