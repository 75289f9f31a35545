"""Pictures for tests: stills and frames of real clips, as OpenCV reads them."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def still(path: Path) -> Picture:
    image = cv2.imread(str(path))
    assert image is not None, path
    return np.asarray(image, dtype=np.uint8)


def frame(path: Path, number: int) -> Picture:
    video = cv2.VideoCapture(str(path))
    video.set(cv2.CAP_PROP_POS_FRAMES, number)
    found, image = video.read()
    video.release()
    assert found, path
    return np.asarray(image, dtype=np.uint8)


def resized(image: Picture, factor: float) -> Picture:
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def blurred(image: Picture, sigma: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)


def plain(width: int, height: int, level: int = 0) -> Picture:
    return np.full((height, width, 3), level, dtype=np.uint8)
