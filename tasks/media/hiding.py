"""Make a part of a picture unrecognisable, so that nothing can bring it back. Pure.

A blur or a fine mosaic can be undone: the first by computing backwards, the second by models trained on mosaics, or by
laying many frames of a moving grid over each other. So of what is hidden only the mean colours of a handful of cells
are kept, rounded to a few shades; both looks are drawn from those alone.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from tasks.media.frames import Picture

HideMethod = Literal["blur", "pixelate"]

CELLS = 5
"""Cells along the shorter side of what is hidden."""
SHADES = 16
"""Shades of each colour that are told apart."""
_FADE = 0.15
"""Outside of what is hidden for certain, as a share of its size: there the picture comes back."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle, in pixels or as shares of a picture's width and height."""

    left: float
    top: float
    right: float
    bottom: float

    def scaled(self, width: float, height: float) -> "Area":
        """Return the area with its horizontal and vertical places multiplied."""
        return Area(self.left * width, self.top * height, self.right * width, self.bottom * height)

    def grown(self, share: float) -> "Area":
        """Return the area larger by a share of its size on each side."""
        x, y = (self.right - self.left) * share, (self.bottom - self.top) * share
        return Area(self.left - x, self.top - y, self.right + x, self.bottom + y)


def hide(picture: Picture, area: Area, method: HideMethod) -> None:
    """Make an area (pixels) of a picture (BGR) unrecognisable, in place.

    What is hidden for certain is the ellipse around the whole rectangle; beyond it the picture comes back softly.
    """
    height, width = picture.shape[:2]
    centre_x, centre_y = (area.left + area.right) / 2, (area.top + area.bottom) / 2
    radius_x, radius_y = (max(2.0, side / 2) * 2**0.5 for side in (area.right - area.left, area.bottom - area.top))
    reach = 1 + _FADE
    left, right = max(0, int(centre_x - radius_x * reach)), min(width, int(centre_x + radius_x * reach) + 1)
    top, bottom = max(0, int(centre_y - radius_y * reach)), min(height, int(centre_y + radius_y * reach) + 1)
    if left >= right or top >= bottom:
        return
    patch = picture[top:bottom, left:right]
    x = (np.arange(left, right, dtype=np.float32) + 0.5 - centre_x) / radius_x
    y = (np.arange(top, bottom, dtype=np.float32) + 0.5 - centre_y) / radius_y
    distance = np.sqrt(x[None, :] ** 2 + y[:, None] ** 2)
    share = np.clip((reach - distance) / _FADE, 0.0, 1.0)[..., None]
    patch[:] = (patch * (1 - share) + _obscured(patch, method) * share + 0.5).astype(np.uint8)


def _obscured(patch: Picture, method: HideMethod) -> Picture:
    height, width = patch.shape[:2]
    scale = CELLS / min(height, width)
    cells = (max(1, round(width * scale)), max(1, round(height * scale)))
    step = 256 // SHADES
    coarse = cv2.resize(patch, cells, interpolation=cv2.INTER_AREA) // step * step + step // 2
    if method == "pixelate":
        return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(soft, (0, 0), max(0.5, min(height, width) / CELLS / 2)), dtype=np.uint8)
