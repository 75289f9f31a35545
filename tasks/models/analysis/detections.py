"""What a detector finds in one frame, and what every detector is."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.models.analysis.plan import Picture, Sampled

SMALL_SIDE = 256
"""Longer side, in pixels, of the small copy that is made of each frame for all that needs no more."""


@dataclass(frozen=True, eq=False)
class Look:
    """One frame with the small copies of it that several parts of an analysis look at."""

    sampled: Sampled
    small_bgr: Picture
    """Not larger than the frame."""
    grey: Picture
    """Height × width, of the same size."""


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
    small = sampled.image_bgr
    height, width = small.shape[:2]
    scale = SMALL_SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return Look(sampled, small, np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8))
