"""A watermark's text as a picture: in the house's typeface, and in others where that one lacks the letters."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from data.domain.edits import WatermarkOptions
from data.domain.errors import EditImpossibleError
from tasks.media.captions import Word
from tasks.models.store import ModelStore
from tasks.providers.storyboard.lettering import Box, Setting, set_lines
from tasks.providers.storyboard.typefaces import Typefaces

_LINE = Box(0, 0, 16_000, 400)
_SETTING = Setting(weight="text", largest=256, smallest=24, max_lines=1)


@dataclass(frozen=True)
class LetteredMark:
    """A picture that was made of a text."""

    sha256: str
    """Of its file."""
    size: tuple[int, int]
    """Width and height in pixels."""


def write_lettered_mark(options: WatermarkOptions, target: Path, models: ModelStore) -> LetteredMark:
    """Write a text in its colour, on one line, as a PNG with opacity that ends where the letters do.

    Args:
        options: The text and its colour.
        target: The file to write.
        models: Where the typefaces of other scripts lie.

    Raises:
        EditImpossibleError: No typeface has any of its letters.
        ModelMissingError: A typeface that it needs cannot be fetched.
    """
    words = [Word(text, 0.0, 0.0) for text in options.text.split()]
    lines = set_lines(words, _LINE, _SETTING, Typefaces(models))
    ink = lines[0].mask if lines else np.zeros((1, 1), dtype=np.uint8)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not rows.size:
        raise EditImpossibleError(
            "The watermark's text has no letter that can be drawn (edit.watermark.text).",
            {"field": "edit.watermark.text"},
        )
    mask = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    mark = Image.new("RGBA", mask.size, (*ImageColor.getrgb(options.text_rgb)[:3], 0))
    mark.putalpha(mask)
    mark.save(target, format="PNG", compress_level=1)
    return LetteredMark(hashlib.sha256(target.read_bytes()).hexdigest(), mark.size)
