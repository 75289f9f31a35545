"""What every painter of frames shares: the frame's size and place for text, the colours, easing, and blending."""

from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.providers.storyboard.lettering import Box

Frame = NDArray[np.uint8]
"""Height × width × 3, BGR."""
Colour = tuple[int, int, int]
"""Blue, green, red."""


_WHITE: Colour = (250, 250, 250)
_LIGHT = 480  # of 765


class Painter(Protocol):
    """Paints the frames of one scene; asked in order of time, and dropped when the scene is over."""

    def paint(self, at_seconds: float) -> Frame:
        """Return the frame at a time from the scene's beginning; the caller may change it."""


@dataclass(frozen=True)
class Canvas:
    """The frame: its size in pixels, and where text goes."""

    width: int
    height: int

    @property
    def unit(self) -> float:
        """A 720th of the short side; sizes are given in these."""
        return min(self.width, self.height) / 720

    @property
    def is_upright(self) -> bool:
        """Whether it is higher than wide."""
        return self.height > self.width

    def scaled(self, units: float) -> int:
        """Return so many units in pixels, at least 1."""
        return max(1, round(units * self.unit))

    @property
    def margin(self) -> int:
        """Room that text keeps from the frame's left and right edge."""
        return round(self.width * (0.085 if self.is_upright else 0.09))

    @property
    def card_box(self) -> Box:
        """Where a card's text stands."""
        width = self.width - 2 * self.margin
        if self.width > self.height * 1.2:
            width = round(width * 0.88)  # long lines are hard to read
        return Box(self.margin, round(self.height * 0.2), width, round(self.height * 0.6))

    @property
    def headline_box(self) -> Box:
        """Where the words of an opening picture stand: at its lower left."""
        bottom, height = (0.80 if self.is_upright else 0.89), round(self.height * 0.42)
        width = round(self.width * 0.72) if self.width > self.height * 1.2 else self.width - 2 * self.margin
        return Box(self.margin, round(self.height * bottom) - height, width, height)

    @property
    def caption_box(self) -> Box:
        """Where captions stand; upright, above what players lay over the bottom."""
        bottom = 0.80 if self.is_upright else 0.925
        height = self.scaled(150)
        return Box(self.margin, round(self.height * bottom) - height, self.width - 2 * self.margin, height)


@dataclass(frozen=True)
class Palette:
    """The brand's colours."""

    background: Colour
    primary: Colour
    accent: Colour

    @property
    def on_picture(self) -> "Palette":
        """The colours over pictures, which are darkened there: dark text becomes white."""
        return self if sum(self.primary) >= _LIGHT else replace(self, primary=_WHITE)


def colour_of(text: str) -> Colour:
    """Return the colour that ``#rrggbb`` names."""
    red, green, blue = (int(text[place : place + 2], 16) for place in (1, 3, 5))
    return blue, green, red


def ease_out(share: float) -> float:
    """Fast first, then settling: 0 to 1, and 1 after."""
    return 1.0 - (1.0 - min(1.0, max(0.0, share))) ** 3


def smooth(share: float) -> float:
    """Slow at both ends."""
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


def put_colour(frame: Frame, alpha: NDArray[np.float32], colour: Colour, left: int, top: int) -> None:
    """Lay a colour over a part of a frame, as strongly as ``alpha`` (0-1) says; what lies outside is cut off."""
    area, cut = overlap(frame, alpha.shape[0], alpha.shape[1], left, top)
    if area is None:
        return
    part = frame[area]
    put_over(part, np.full(part.shape, colour, dtype=np.uint8), alpha[cut])


def put_over(part: Frame, image: Frame, alpha: NDArray[np.float32]) -> None:
    """Lay an image over a part of a frame that has its size, as strongly as ``alpha`` (0-1) says."""
    cv2.blendLinear(part, image, 1 - alpha, alpha, part)  # five times as fast as the same in NumPy


def put_shadow(frame: Frame, alpha: NDArray[np.float32], left: int, top: int) -> None:
    """Darken a part of a frame as strongly as ``alpha`` (0-1) says."""
    put_colour(frame, alpha, (0, 0, 0), left, top)


def overlap(
    frame: Frame, height: int, width: int, left: int, top: int
) -> tuple[tuple[slice, slice] | None, tuple[slice, slice]]:
    """Return which part of a frame something covers, and which part of that thing it is; ``None`` where it does not."""
    start_row, end_row = max(0, top), min(frame.shape[0], top + height)
    start_column, end_column = max(0, left), min(frame.shape[1], left + width)
    cut = (slice(start_row - top, end_row - top), slice(start_column - left, end_column - left))
    if start_row >= end_row or start_column >= end_column:
        return None, cut
    return (slice(start_row, end_row), slice(start_column, end_column)), cut


def rounded(height: int, width: int, radius: int) -> NDArray[np.float32]:
    """Return the opacity of a rectangle with round corners, smooth at its edges."""
    factor = 4
    mask = np.zeros((height * factor, width * factor), dtype=np.uint8)
    r = min(radius, height // 2, width // 2) * factor
    cv2.rectangle(mask, (r, 0), (width * factor - r - 1, height * factor - 1), 255, -1)
    cv2.rectangle(mask, (0, r), (width * factor - 1, height * factor - r - 1), 255, -1)
    for x in (r, width * factor - r - 1):
        for y in (r, height * factor - r - 1):
            cv2.circle(mask, (x, y), r, 255, -1)
    small = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32) / np.float32(255)
