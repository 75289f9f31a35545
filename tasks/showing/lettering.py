"""Words on pictures: antialiased letters of the shipped typeface, laid over BGR arrays."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.media.frames import Picture

Colour = tuple[int, int, int]
"""Blue, green, red, 0-255."""

INK: Colour = (18, 16, 15)
PAPER: Colour = (244, 241, 240)
SOFT: Colour = (168, 163, 160)
# By its place: the package around it loads the engines of narration, and with them threads that no fork would have.
_FONTS = Path(__file__).parents[1] / "providers" / "storyboard" / "fonts"
FONT = _FONTS / "BricolageGrotesque-SemiBold.ttf"
_STRONG_FONT = _FONTS / "BricolageGrotesque-ExtraBold.ttf"


@lru_cache(maxsize=32)
def _font(size: int, *, strong: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_STRONG_FONT if strong else FONT), size)


@lru_cache(maxsize=2048)
def text_mask(text: str, size: int, *, strong: bool = False) -> NDArray[np.uint8]:
    """Return how much each pixel belongs to a text (0-255); as high as a line, whatever letters there are."""
    font = _font(size, strong=strong)
    ascent, descent = font.getmetrics()
    image = Image.new("L", (max(1, round(font.getlength(text)) + 2), ascent + descent))
    ImageDraw.Draw(image).text((1, 0), text, fill=255, font=font)
    return np.asarray(image)


def draw_text(
    picture: Picture, text: str, at: tuple[int, int], size: int, colour: Colour = PAPER, *, strong: bool = False
) -> int:
    """Write a text with its upper left corner at a place (pixels); return how wide it is."""
    mask = text_mask(text, size, strong=strong)
    lay(picture, mask, at, colour)
    return int(mask.shape[1])


def lay(picture: Picture, mask: NDArray[np.uint8], at: tuple[int, int], colour: Colour, opacity: float = 1.0) -> None:
    """Colour a picture through a mask (0-255) whose upper left corner is at a place; what is outside is left out."""
    left, top = at
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(picture.shape[1], left + mask.shape[1]), min(picture.shape[0], top + mask.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    patch = picture[y0:y1, x0:x1]
    share = mask[y0 - top : y1 - top, x0 - left : x1 - left, None].astype(np.float32) * (opacity / 255)
    patch[:] = (patch + (np.asarray(colour, np.float32) - patch) * share + 0.5).astype(np.uint8)


@lru_cache(maxsize=512)
def rounded_mask(width: int, height: int, radius: int) -> NDArray[np.uint8]:
    """Return the mask of a rectangle with round corners, its edges antialiased."""
    scale = 4
    image = Image.new("L", (width * scale, height * scale))
    ImageDraw.Draw(image).rounded_rectangle(
        (0, 0, width * scale - 1, height * scale - 1), min(radius, height // 2, width // 2) * scale, fill=255
    )
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def draw_pill(
    picture: Picture,
    text: str,
    at: tuple[int, int],
    size: int,
    colour: Colour,
    ink: Colour = INK,
    *,
    opacity: float = 0.92,
) -> None:
    """Write a text on a rounded plate whose upper left corner is at a place; kept within the picture.

    Args:
        picture: Drawn on in place.
        text: One line.
        at: Across and down, in pixels.
        size: Of the letters, in pixels.
        colour: Of the plate.
        ink: Of the letters.
        opacity: Of the plate, 0-1.
    """
    mask = text_mask(text, size)
    width, height = pill_size(text, size)
    left = min(max(0, at[0]), max(0, picture.shape[1] - width))
    top = min(max(0, at[1]), max(0, picture.shape[0] - height))
    lay(picture, rounded_mask(width, height, size // 3), (left, top), colour, opacity)
    lay(picture, mask, (left + (width - mask.shape[1]) // 2, top + (height - mask.shape[0]) // 2), ink)


def pill_size(text: str, size: int) -> tuple[int, int]:
    """Return the width and height in pixels of the plate that a text has."""
    height, width = text_mask(text, size).shape
    return int(width) + 2 * max(3, size * 2 // 5), int(height) + 2 * max(1, size // 8)


def ink_on(colour: Colour) -> Colour:
    """Return the ink that is legible on a colour."""
    grey = cv2.cvtColor(np.array([[colour]], np.uint8), cv2.COLOR_BGR2GRAY)
    return INK if int(np.asarray(grey).item()) > 120 else PAPER
