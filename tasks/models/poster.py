"""Chooses the frame that stands for a video: a good picture, better still with a face in it that is whole and sharp.

People look at faces first; so they notice a face that is blurred or cut in half, and a frame with one loses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tasks.models.faces import FaceBox, Picture, find_faces

_GOOD_FACE_BONUS = 0.6
_MORE_FACES_BONUS = 0.05
_BAD_FACE_COST = 0.5
_PROMINENT_SHARE = 0.35  # of the picture's side: a face from here on is as large as a poster wants it
_SMALLEST_SHARE = 0.04  # smaller faces are part of the background
_SHARP_FACE = 0.5
_FACE_WIDTH = 64  # pixels at which faces are judged, so that a near and a far one are judged alike
_HALF_SHARP_FACE = 0.1
_PICTURE_SIDE = 640
_HALF_SHARP_PICTURE = 180.0


@dataclass(frozen=True, eq=False)
class PosterImage:
    """A frame that could be the poster."""

    image_bgr: Picture
    """Height × width × 3, as OpenCV reads it."""
    at_seconds: float
    score: float
    """0–1 by the picture alone: sharpness, light, colour."""


@dataclass(frozen=True)
class PosterVerdict:
    """Which frame was chosen, and why."""

    index: int
    """Position in the candidates."""
    face_count: int
    sharpness: float
    """0–1: of the face that decided, else of the whole picture."""
    reason: str
    """For a person."""


@dataclass(frozen=True)
class _Judged:
    """A candidate with what was found in it."""

    index: int
    appeal: float
    face_count: int
    best_face_sharpness: float | None
    """Of the most prominent good face; ``None`` when there is no good face."""


def choose_poster(candidates: Sequence[PosterImage], face_model: Path | None) -> PosterVerdict:
    """Choose the best of some frames.

    Args:
        candidates: At least one; equal ones are decided by their order.
        face_model: Folder of the face model; ``None`` to go by the pictures alone.

    Raises:
        ModelMissingError: There is no model in the folder.
    """
    judged = [_judge(index, candidate, face_model) for index, candidate in enumerate(candidates)]
    best = max(judged, key=lambda found: found.appeal)
    sharpness = best.best_face_sharpness
    if sharpness is None:
        sharpness = picture_sharpness(candidates[best.index].image_bgr)
    reason = _reason(best, judged, has_looked=face_model is not None)
    return PosterVerdict(best.index, best.face_count, round(sharpness, 3), reason)


def picture_sharpness(image_bgr: Picture) -> float:
    """Say how sharp a picture is, 0–1, at a common size."""
    grey = _grey(image_bgr, _PICTURE_SIDE / max(image_bgr.shape[:2]))
    edges = float(np.var(cv2.Laplacian(grey, cv2.CV_32F)))
    return edges / (edges + _HALF_SHARP_PICTURE)


def face_sharpness(image_bgr: Picture, face: FaceBox) -> float:
    """Say how sharp a face is, 0–1, whatever its size and contrast."""
    left, top = int(face.left), int(face.top)
    crop = image_bgr[top : top + max(3, round(face.height)), left : left + max(3, round(face.width))]
    if min(crop.shape[:2]) < 3:
        return 0.0
    grey = _grey(crop, _FACE_WIDTH / crop.shape[1])
    edges = float(np.var(cv2.Laplacian(grey, cv2.CV_32F))) / max(1.0, float(np.var(grey)))
    return edges / (edges + _HALF_SHARP_FACE)


def _judge(index: int, candidate: PosterImage, face_model: Path | None) -> _Judged:
    image = candidate.image_bgr
    faces = () if face_model is None else find_faces(image, face_model)
    shown = [(face, _prominence(face, image)) for face in faces]
    shown = sorted((item for item in shown if item[1] * _PROMINENT_SHARE >= _SMALLEST_SHARE), key=lambda item: -item[1])
    good, bad = 0.0, 0.0
    best_sharpness = None
    for face, prominence in shown:
        sharpness = face_sharpness(image, face)
        if not face.is_whole or sharpness < _SHARP_FACE:
            bad = max(bad, prominence)
        elif best_sharpness is None:
            good, best_sharpness = prominence * sharpness, sharpness
        else:
            good += _MORE_FACES_BONUS * prominence * sharpness
    appeal = candidate.score + _GOOD_FACE_BONUS * good - _BAD_FACE_COST * bad
    return _Judged(index, appeal, len(shown), best_sharpness)


def _prominence(face: FaceBox, image: Picture) -> float:
    """How large a face is in the picture, 0–1."""
    share = float(np.sqrt(face.area / (image.shape[0] * image.shape[1])))
    return min(1.0, share / _PROMINENT_SHARE)


def _grey(image_bgr: Picture, scale: float) -> Picture:
    """The picture in grey, made smaller by ``scale``; never larger, since that invents no detail."""
    grey = np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    if scale >= 1:
        return grey
    return np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _reason(best: _Judged, judged: Sequence[_Judged], *, has_looked: bool) -> str:
    if len(judged) == 1:
        return "It is the only frame there is to choose."
    frames = f"of {len(judged)} frames"
    if not has_looked:
        return f"The best {frames} by sharpness, light and colour; faces were not looked for."
    if best.best_face_sharpness is not None:
        faces = "a face that is" if best.face_count == 1 else f"{best.face_count} faces, the largest"
        return f"The best {frames}: it shows {faces} whole and sharp."
    if any(found.face_count for found in judged):
        return f"The best {frames} by sharpness, light and colour; no face in any of them is both whole and sharp."
    return f"The best {frames} by sharpness, light and colour; no face was found in any of them."
