"""A still picture set in motion: the subject moves before its background, both below the size of a pixel at a time.

The subject is cut out by its saliency and zooms twice as much as the background, whose hole behind it is painted in.
Where nothing stands out clearly, or it fills the picture, the whole moves as one. A picture whose shape or size does
not suit the frame is hung in front of its own blurred copy.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from data.domain.errors import GenerationRejectedError
from tasks.models.cutout import saliency
from tasks.models.faces import find_faces
from tasks.providers.storyboard.canvas import Canvas, Frame, overlap, put_over, put_shadow, rounded

_MOST_PIXELS = 89_000_000
_WORKING_SIDE = 3840
_BACKGROUND_ZOOM = 0.05
_SUBJECT_ZOOM = 0.10
_PAN = 0.018  # of the frame's long side
_SUBJECT_SHARES = (0.015, 0.5)  # of the frame: smaller is no subject, larger is the picture
_LEAST_KEPT = 0.5  # of a picture's area that must stay when it fills the frame
_MOST_ENLARGED = 3.0
_HEAD_WEIGHT = 12.0
_HELD = 0.88  # of the frame that a hung picture takes

Mask = NDArray[np.float32]


class StillPainter(Protocol):
    """Paints a still at a share (0-1) of its time."""

    def at(self, share: float) -> Frame:
        """Return a new frame."""


@dataclass(frozen=True)
class Motion:
    """How the picture moves in its time."""

    inward: bool
    pan_x: float
    """-1 to 1."""
    pan_y: float

    @staticmethod
    def drawn(draw: np.random.Generator, index: int) -> "Motion":
        """Return a motion by chance; every other one goes outward."""
        angle = float(draw.uniform(0, 2 * np.pi))
        return Motion(index % 2 == 0, float(np.cos(angle)), 0.6 * float(np.sin(angle)))


@dataclass(frozen=True)
class PictureModels:
    """What looks at pictures: folders of the model store."""

    saliency: Path
    faces: Path
    threads: int = 0


class Picture:
    """Paints one still; lives as long as its scene.

    Args:
        path: The user's file.
        canvas: The frame.
        models: What looks at it.
        motion: How it moves.
        duration_seconds: How long it is shown.

    Raises:
        GenerationRejectedError: The file is no picture, or far too large.
    """

    def __init__(
        self, path: Path, canvas: Canvas, models: PictureModels, motion: Motion, duration_seconds: float
    ) -> None:
        image = read_picture(path)
        mask = saliency(image, models.saliency, models.threads)
        weights = mask + _HEAD_WEIGHT * _heads(image, models.faces)
        self._duration_seconds = max(duration_seconds, 0.1)
        self._still: StillPainter
        if _fills(image, canvas):
            self._still = _layered(image, mask, _best_crop(weights, canvas), canvas, motion)
        else:
            self._still = _Hung(image, canvas, motion)

    def paint(self, at_seconds: float) -> Frame:
        """Return the frame at a time from the scene's beginning."""
        return self._still.at(min(1.0, max(0.0, at_seconds / self._duration_seconds)))


def read_picture(path: Path) -> Frame:
    """Return a picture upright, in BGR, without transparency, at most 3840 pixels long.

    Raises:
        GenerationRejectedError: It cannot be read, or has too many pixels.
    """
    rgba = _opened(path).astype(np.float32)
    alpha = rgba[..., 3:] / 255
    return np.ascontiguousarray((rgba[..., 2::-1] * alpha + 255 * (1 - alpha)).astype(np.uint8))


def _opened(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise GenerationRejectedError(f"{path.name} has too many pixels.", {"limit": _MOST_PIXELS})
            opened.draft("RGB", (_WORKING_SIDE, _WORKING_SIDE))  # JPEG: decode no more than is used
            upright = ImageOps.exif_transpose(opened)
            upright.thumbnail((_WORKING_SIDE, _WORKING_SIDE))
            return np.asarray(upright.convert("RGBA"), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise GenerationRejectedError(f"{path.name} cannot be read as a picture.", {"name": path.name}) from error


def read_mark(path: Path) -> tuple[Frame, NDArray[np.uint8]]:
    """Return a logo's colours (BGR) and its opacity (0-255).

    Raises:
        GenerationRejectedError: It cannot be read.
    """
    rgba = _opened(path)
    return np.ascontiguousarray(rgba[..., 2::-1]), np.ascontiguousarray(rgba[..., 3])


def _heads(image: Frame, model: Path) -> Mask:
    """1 where there are heads, hair included, else 0: a crop that cuts one off is the first thing people see."""
    found = np.zeros(image.shape[:2], dtype=np.float32)
    for face in find_faces(image, model):
        top, bottom = face.top - 0.45 * face.height, face.top + 1.1 * face.height
        left, right = face.left - 0.15 * face.width, face.left + 1.15 * face.width
        found[max(0, round(top)) : max(0, round(bottom)), max(0, round(left)) : max(0, round(right))] = 1.0
    return found


def _fills(image: Frame, canvas: Canvas) -> bool:
    """Whether a picture may be cropped and enlarged to fill the frame."""
    height, width = image.shape[:2]
    scale = max(canvas.width / width, canvas.height / height)
    kept = canvas.width * canvas.height / (width * height * scale * scale)
    return bool(kept >= _LEAST_KEPT and scale <= _MOST_ENLARGED)


class _Layers:
    """A background and, where there is one, a subject in front of it; each zooms about its own centre."""

    def __init__(
        self,
        background: Frame,
        subject: NDArray[np.uint8] | None,
        centre: tuple[float, float],
        canvas: Canvas,
        motion: Motion,
    ) -> None:
        self._background, self._subject = background, subject
        self._centre, self._canvas, self._motion = centre, canvas, motion

    def at(self, share: float) -> Frame:
        moved = share if self._motion.inward else 1 - share
        frame = self._moved(self._background, _BACKGROUND_ZOOM, moved, 1.0)
        if self._subject is None:
            return frame
        front = self._moved(self._subject, _SUBJECT_ZOOM, moved, 1.6)
        alpha = cv2.cvtColor(front[..., 3], cv2.COLOR_GRAY2BGR)
        behind = cv2.multiply(frame, cv2.bitwise_not(alpha), scale=1 / 255)
        return np.asarray(cv2.add(behind, front[..., :3]), dtype=np.uint8)  # its colours are multiplied already

    def _moved(self, layer: Frame, zoom: float, moved: float, pan: float) -> Frame:
        """One layer, larger by ``zoom`` at the end, and panned; from a source that is larger than the frame."""
        canvas, motion = self._canvas, self._motion
        scale = (canvas.width / layer.shape[1]) * (1 + 2 * _PAN * 1.6) * (1 + zoom * moved)
        across = max(canvas.width, canvas.height) * _PAN * pan * (moved - 0.5)
        centre_x, centre_y = self._centre[0] * layer.shape[1], self._centre[1] * layer.shape[0]
        # The centre stays where it is in the frame; everything else moves away from it.
        x = self._centre[0] * canvas.width + across * motion.pan_x
        y = self._centre[1] * canvas.height + across * motion.pan_y
        matrix = np.array([[scale, 0, x - scale * centre_x], [0, scale, y - scale * centre_y]], dtype=np.float64)
        moved_layer = cv2.warpAffine(
            layer, matrix, (canvas.width, canvas.height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        return np.asarray(moved_layer, dtype=np.uint8)


def _layered(image: Frame, mask: Mask, crop: tuple[slice, slice], canvas: Canvas, motion: Motion) -> _Layers:
    scale = 1.12  # a little larger than the frame, so that zooming in stays sharp
    size = (round(canvas.width * scale), round(canvas.height * scale))
    picture = np.asarray(cv2.resize(image[crop], size, interpolation=_method(image[crop], size)), dtype=np.uint8)
    front = _clean_mask(np.asarray(cv2.resize(mask[crop], size, interpolation=cv2.INTER_LINEAR), dtype=np.float32))
    share = float(front.mean())
    centre = _centre(front) if share > 0.002 else (0.5, 0.5)
    if not _SUBJECT_SHARES[0] <= share <= _SUBJECT_SHARES[1] or not _is_clear(front):
        return _Layers(picture, None, (0.5 + (centre[0] - 0.5) * 0.5, 0.5 + (centre[1] - 0.5) * 0.5), canvas, motion)
    alpha = (front * 255).astype(np.uint8)
    subject = np.dstack([cv2.multiply(picture, cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR), scale=1 / 255), alpha])
    return _Layers(_without(picture, front), subject, centre, canvas, motion)


def _best_crop(mask: Mask, canvas: Canvas) -> tuple[slice, slice]:
    """The part in the frame's shape that keeps most of what stands out; the middle, where nothing does."""
    height, width = mask.shape
    wanted = canvas.width / canvas.height
    if width / height > wanted:
        size = max(1, round(height * wanted))
        start = _best_window(mask.sum(axis=0), size)
        return slice(0, height), slice(start, start + size)
    size = max(1, round(width / wanted))
    start = _best_window(mask.sum(axis=1), size)
    return slice(start, start + size), slice(0, width)


def _best_window(weights: NDArray[np.float32], size: int) -> int:
    places = np.arange(len(weights) - size + 1)
    sums = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])
    kept = (sums[size:] - sums[:-size]) / max(float(sums[-1]), 1e-6)
    middle = (len(weights) - size) / 2
    off = np.abs(places - middle) / max(1.0, middle)
    centre = float((weights * np.arange(len(weights))).sum() / max(float(weights.sum()), 1e-6))
    beside = np.abs(places + size / 2 - centre) / max(1.0, size)
    return int(np.argmax(kept[: len(places)] - 0.02 * off - 0.10 * beside))


def _clean_mask(mask: Mask) -> Mask:
    """A mask that is certain inside and outside and soft over a few pixels at its edge."""
    steep = np.clip((mask - 0.35) / 0.4, 0, 1).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(steep, (0, 0), max(1.0, mask.shape[0] / 400)), dtype=np.float32)


def _is_clear(mask: Mask) -> bool:
    """Whether a mask has an edge rather than a fog: few pixels in between."""
    between = float(((mask > 0.1) & (mask < 0.9)).mean())
    return bool(between <= 0.3 * float((mask >= 0.9).mean()))


def _centre(mask: Mask) -> tuple[float, float]:
    total = float(mask.sum())
    rows, columns = mask.sum(axis=1), mask.sum(axis=0)
    x = float((columns * np.arange(len(columns))).sum()) / total / len(columns)
    y = float((rows * np.arange(len(rows))).sum()) / total / len(rows)
    return x, y


def _without(picture: Frame, mask: Mask) -> Frame:
    """The background with the subject painted out; small and smooth, since only a rim of it is ever seen."""
    small_size = (max(8, picture.shape[1] // 4), max(8, picture.shape[0] // 4))
    small = cv2.resize(picture, small_size, interpolation=cv2.INTER_AREA)
    inside = (cv2.resize(mask, small_size, interpolation=cv2.INTER_AREA) > 0.04).astype(np.uint8)
    hole = cv2.dilate(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    painted = cv2.inpaint(small, hole, 3, cv2.INPAINT_TELEA)
    filled = cv2.resize(painted, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_CUBIC)
    wide = cv2.resize(
        np.asarray(hole, dtype=np.float32), (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_LINEAR
    )
    soft = cv2.GaussianBlur(wide, (0, 0), 3)[..., None]
    return np.asarray(picture + (filled.astype(np.float32) - picture) * soft, dtype=np.uint8)


class _Hung:
    """A picture that would be cropped or enlarged too much: whole, in front of its own blurred copy."""

    def __init__(self, image: Frame, canvas: Canvas, motion: Motion) -> None:
        self._canvas, self._motion = canvas, motion
        self._behind = _Layers(_blurred(image, canvas), None, (0.5, 0.5), canvas, motion)
        height, width = image.shape[:2]
        scale = min(canvas.width * _HELD / width, canvas.height * 0.7 / height, _MOST_ENLARGED)
        self._size = (max(2, round(width * scale)), max(2, round(height * scale)))
        larger = (round(self._size[0] * 1.06), round(self._size[1] * 1.06))
        self._picture = np.asarray(cv2.resize(image, larger, interpolation=_method(image, larger)), dtype=np.uint8)
        self._corners = rounded(self._size[1], self._size[0], canvas.scaled(14))
        spread = canvas.scaled(36)
        edge = np.pad(self._corners, spread)
        self._shadow = np.asarray(cv2.GaussianBlur(edge, (0, 0), spread / 2.5), dtype=np.float32) * np.float32(0.55)
        self._spread = spread

    def at(self, share: float) -> Frame:
        frame = self._behind.at(share)
        moved = share if self._motion.inward else 1 - share
        left = (self._canvas.width - self._size[0]) // 2
        top = round(self._canvas.height * 0.44) - self._size[1] // 2
        put_shadow(frame, self._shadow, left - self._spread, top - self._spread + self._canvas.scaled(10))
        scale = self._size[0] / self._picture.shape[1] * (1 + 0.055 * moved)
        offset = [(self._size[i] - scale * self._picture.shape[1 - i]) / 2 for i in (0, 1)]
        matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]], dtype=np.float64)
        shown = cv2.warpAffine(self._picture, matrix, self._size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        area, cut = overlap(frame, self._size[1], self._size[0], left, top)
        if area is not None:
            put_over(frame[area], np.asarray(shown[cut], dtype=np.uint8), self._corners[cut])
        return frame


def _blurred(image: Frame, canvas: Canvas) -> Frame:
    height, width = image.shape[:2]
    scale = max(canvas.width / width, canvas.height / height)
    cut_width, cut_height = min(width, round(canvas.width / scale)), min(height, round(canvas.height / scale))
    left, top = (width - cut_width) // 2, (height - cut_height) // 2
    part = image[top : top + cut_height, left : left + cut_width]
    small = cv2.resize(part, (max(8, canvas.width // 8), max(8, canvas.height // 8)), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), max(2.0, min(small.shape[:2]) / 12))
    dark = (soft.astype(np.float32) * 0.5).astype(np.uint8)
    return np.asarray(cv2.resize(dark, (canvas.width, canvas.height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _method(image: Frame, size: tuple[int, int]) -> int:
    return cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_CUBIC
