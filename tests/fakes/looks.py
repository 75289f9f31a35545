"""Frames as an analysis looks at them, made of arrays."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from tasks.models.analysis.detections import Look, look_at
from tasks.models.analysis.plan import Picture, Sampled


def flat(value: int, width: int = 256, height: int = 192) -> Picture:
    """Return a picture of one grey."""
    return np.full((height, width, 3), value, np.uint8)


def textured(width: int = 256, height: int = 192, seed: int = 1) -> Picture:
    """Return a picture with sharp detail everywhere."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def with_box(picture: Picture, left: int, top: int, width: int, height: int, bgr: tuple[int, int, int]) -> Picture:
    """Return a picture with a filled rectangle in it (pixels)."""
    drawn = picture.copy()
    drawn[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)] = bgr
    return drawn


def frames(pictures: Iterable[Picture], rate: float = 10.0) -> Iterator[Sampled]:
    """Number pictures and give them times."""
    for number, picture in enumerate(pictures):
        yield Sampled(number, number / rate, picture)


def looks(pictures: Iterable[Picture], rate: float = 10.0) -> Iterator[Look]:
    """Make looks of pictures."""
    return (look_at(each) for each in frames(pictures, rate))
