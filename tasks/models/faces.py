"""Faces in a picture: CenterFace through OpenCV's own network runtime, no other framework."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data.domain.errors import ModelMissingError

MODEL_FILE = "centerface.onnx"

_MIN_SCORE = 0.6
_MAX_OVERLAP = 0.3
_LONG_SIDE = 640  # of the picture that the network sees, in pixels
_SHORT_LIMIT = 320  # smaller pictures are enlarged: a face of ten pixels is not found
_STRIDE = 32
_CELL = 4  # input pixels per cell of the network's maps
_OUTPUTS = ("537", "538", "539", "540")  # heat, size, offset, landmarks

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class FaceBox:
    """One face, in pixels of the picture it was found in; clipped to it."""

    left: float
    top: float
    width: float
    height: float
    score: float
    """How sure the model is, 0–1."""
    is_whole: bool = True
    """Neither the face nor an eye of it is cut off by the picture's edge."""

    @property
    def area(self) -> float:
        """Pixels that the box covers."""
        return self.width * self.height


def find_faces(
    image_bgr: Picture, model_path: Path, min_score: float = _MIN_SCORE, *, long_side: int = _LONG_SIDE
) -> tuple[FaceBox, ...]:
    """Find the faces of a picture of any size, the surest first.

    Args:
        image_bgr: Height × width × 3, as OpenCV reads it.
        model_path: The folder that the model store gives for ``centerface``, or the file itself.
        min_score: Less sure ones are left out (0–1).
        long_side: Pixels at which a larger picture is looked at; the time it takes grows with their square.

    Raises:
        ModelMissingError: There is no such model.
    """
    height, width = image_bgr.shape[:2]
    own_side = max(width, height)
    scale = min(long_side, max(own_side, _SHORT_LIMIT)) / own_side
    heat, sizes, offsets, landmarks = _run(_prepared(image_bgr, scale), model_path)
    rows, columns = np.where(heat[0, 0] > min_score)
    if not len(rows):
        return ()
    box_sizes = np.exp(sizes[0][:, rows, columns]) * _CELL
    tops = (rows + offsets[0, 0, rows, columns] + 0.5) * _CELL - box_sizes[0] / 2
    lefts = (columns + offsets[0, 1, rows, columns] + 0.5) * _CELL - box_sizes[1] / 2
    boxes = np.stack([lefts, tops, box_sizes[1], box_sizes[0]], axis=1) / scale
    scores = heat[0, 0, rows, columns]
    eyes = _eyes(landmarks[0][:, rows, columns], boxes)
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), min_score, _MAX_OVERLAP)
    return tuple(_face(boxes[i], eyes[i], float(scores[i]), width, height) for i in np.array(kept).flatten())


def _prepared(image_bgr: Picture, scale: float) -> Picture:
    """The picture scaled, and padded below and on the right to what the network takes, so that nothing is stretched."""
    height, width = image_bgr.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(image_bgr, size, interpolation=method)
    return np.asarray(cv2.copyMakeBorder(scaled, 0, -size[1] % _STRIDE, 0, -size[0] % _STRIDE, cv2.BORDER_CONSTANT))


def _run(image_bgr: Picture, model_path: Path) -> list[NDArray[np.float32]]:
    network = _load(model_path / MODEL_FILE if model_path.is_dir() else model_path)
    height, width = image_bgr.shape[:2]
    network.setInput(cv2.dnn.blobFromImage(image_bgr, 1.0, (width, height), (0, 0, 0), swapRB=True, crop=False))
    return [np.asarray(output) for output in network.forward(_OUTPUTS)]


@lru_cache(maxsize=1)
def _load(model_file: Path) -> Any:
    if not model_file.is_file():
        raise ModelMissingError(
            f"{model_file} is missing. Run `python -m tasks.models pull centerface`.", {"model": "centerface"}
        )
    return cv2.dnn.readNetFromONNX(str(model_file))


def _eyes(landmarks: NDArray[np.float32], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Both eyes of each face as x, y, x, y; the network gives them relative to the box, y first."""
    lefts, tops, widths, heights = boxes.T
    points = [lefts + landmarks[1] * widths, tops + landmarks[0] * heights]
    points += [lefts + landmarks[3] * widths, tops + landmarks[2] * heights]
    return np.stack(points, axis=1)


def _face(box: NDArray[np.float64], eyes: NDArray[np.float64], score: float, width: int, height: int) -> FaceBox:
    left, top, box_width, box_height = (float(value) for value in box)
    right, bottom = left + box_width, top + box_height
    slack = 0.05 * box_height  # boxes are not exact to the pixel
    inside = left >= -slack and top >= -slack and right <= width + slack and bottom <= height + slack
    eyes_inside = all(0 <= x < width for x in eyes[0::2]) and all(0 <= y < height for y in eyes[1::2])
    left, top = max(0.0, left), max(0.0, top)
    return FaceBox(
        left=left,
        top=top,
        width=min(right, width) - left,
        height=min(bottom, height) - top,
        score=score,
        is_whole=inside and eyes_inside,
    )
