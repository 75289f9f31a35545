"""Sets words in lines: chooses a size that fits, breaks evenly, and draws each line as a mask of opacity.

A line knows where each word lies, so that the words can light up as they are said.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.media.captions import Word
from tasks.providers.storyboard.typefaces import Typefaces, Weight

_LEADING = 1.16
_MARGIN = 0.3  # of the size, around a line's mask: for what hangs out of the letters' box
_LEAST_FOR_A_WORD = 0.55  # of the largest size: a word that is still wider than its box is broken rather
_RIGHT_TO_LEFT = {"R", "AL"}

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Box:
    """A place in the frame for text, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class PlacedWord:
    """A word on its line: from where to where, in pixels of the mask, and when it is said."""

    left: float
    right: float
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, eq=False)
class Line:
    """One line, drawn: opacity 0-255, and where its upper left corner lies in the frame."""

    mask: Mask
    left: int
    top: int
    words: tuple[PlacedWord, ...]
    right_to_left: bool
    size: int
    """Of its letters, in pixels."""


@dataclass(frozen=True)
class Setting:
    """How text is set."""

    weight: Weight
    largest: int
    """Size in pixels that is tried first."""
    smallest: int
    max_lines: int
    centred: bool = False
    bottom: bool = False
    """Lines stand at the bottom of their box, not in its middle."""


def breakable(words: Sequence[Word]) -> tuple[Word, ...]:
    """Divide what is written without blanks (Chinese, Japanese, Thai) into characters, its time into equal parts."""
    parts: list[Word] = []
    for word in words:
        pieces = _pieces(word.text)
        step = (word.end_seconds - word.start_seconds) / max(1, len(pieces))
        for index, piece in enumerate(pieces):
            start = word.start_seconds + index * step
            joins = word.joins_previous if index == 0 else True
            parts.append(replace(word, text=piece, start_seconds=start, end_seconds=start + step, joins_previous=joins))
    return tuple(parts)


def set_lines(words: Sequence[Word], box: Box, setting: Setting, typefaces: Typefaces) -> tuple[Line, ...]:
    """Set words into a box in the largest size that fits; a word wider than the box is broken."""
    words = breakable(words)
    if not words:
        return ()
    size = setting.largest
    while True:
        measured = _measured(words, setting.weight, size, typefaces)
        if size <= _LEAST_FOR_A_WORD * setting.largest and any(width > box.width for _, width in measured):
            words = _broken(words, measured, box.width)
            continue
        space = typefaces.font(setting.weight, size).getlength(" ")
        rows = _rows(measured, space, box.width)
        fits = len(rows) <= setting.max_lines and len(rows) * size * _LEADING <= box.height
        if size <= setting.smallest or (fits and all(width <= box.width for _, width in measured)):
            break
        size = max(setting.smallest, int(size * 0.94))
    return _drawn(rows, space, size, box, setting, typefaces)


_Measured = tuple[Word, float]


def _pieces(text: str) -> list[str]:
    pieces: list[str] = []
    for character in text:
        starts_new = _stands_alone(character) or (pieces and _stands_alone(pieces[-1][-1]))
        joins = bool(unicodedata.combining(character)) or unicodedata.category(character).startswith(("P", "M"))
        if pieces and (not starts_new or joins):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces


def _stands_alone(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF" and unicodedata.category(character) in {"Lo", "Lm"}


def _measured(words: Sequence[Word], weight: Weight, size: int, typefaces: Typefaces) -> list[_Measured]:
    return [(word, _width(word.text, weight, size, typefaces)) for word in words]


def _width(text: str, weight: Weight, size: int, typefaces: Typefaces) -> float:
    return sum(run.font.getlength(run.text) for run in typefaces.runs(text, weight, size))


def _broken(words: Sequence[Word], measured: Sequence[_Measured], width: int) -> tuple[Word, ...]:
    parts: list[Word] = []
    for word, wide in measured:
        count = 1 if wide <= width else min(len(word.text), int(wide / width) + 2)
        step = -(-len(word.text) // count)
        for start in range(0, len(word.text), step):
            joins = word.joins_previous if start == 0 else True
            parts.append(replace(word, text=word.text[start : start + step], joins_previous=joins))
    return tuple(parts)


def _rows(measured: Sequence[_Measured], space: float, width: int) -> list[list[_Measured]]:
    """Fill lines, then make them as narrow as that number of lines allows: even lines look set, not filled."""
    rows = _filled(measured, space, width)
    low, high = max(1, width // 4), width
    while high - low > 4:
        middle = (low + high) // 2
        if len(_filled(measured, space, middle)) <= len(rows):
            high = middle
        else:
            low = middle
    return _filled(measured, space, high)


def _filled(measured: Sequence[_Measured], space: float, width: float) -> list[list[_Measured]]:
    rows: list[list[_Measured]] = [[]]
    used = 0.0
    for word, wide in measured:
        gap = 0.0 if not rows[-1] or word.joins_previous else space
        if rows[-1] and used + gap + wide > width:
            rows.append([])
            used, gap = 0.0, 0.0
        rows[-1].append((word, wide))
        used += gap + wide
    return rows


def _drawn(
    rows: Sequence[Sequence[_Measured]], space: float, size: int, box: Box, setting: Setting, typefaces: Typefaces
) -> tuple[Line, ...]:
    leading = size * _LEADING
    free = box.height - leading * len(rows)
    top = box.top + (free if setting.bottom else free / 2)
    right_to_left = _is_right_to_left("".join(word.text for row in rows for word, _ in row))
    lines = []
    for index, row in enumerate(rows):
        wide = _row_width(row, space)
        left = float(box.left)
        if setting.centred:
            left += (box.width - wide) / 2
        elif right_to_left:
            left += box.width - wide
        lines.append(_line(row, space, size, (left, top + index * leading), right_to_left, setting.weight, typefaces))
    return tuple(lines)


def _row_width(row: Sequence[_Measured], space: float) -> float:
    return sum(wide + (0 if index == 0 or word.joins_previous else space) for index, (word, wide) in enumerate(row))


def _line(
    row: Sequence[_Measured],
    space: float,
    size: int,
    corner: tuple[float, float],
    right_to_left: bool,
    weight: Weight,
    typefaces: Typefaces,
) -> Line:
    margin = int(size * _MARGIN)
    wide = _row_width(row, space)
    image = Image.new("L", (int(wide) + 2 * margin + 2, int(size * _LEADING) + 2 * margin))
    pen = ImageDraw.Draw(image)
    baseline = margin + size * 0.92
    x = margin + (wide if right_to_left else 0.0)
    placed = []
    for index, (word, width) in enumerate(row):
        gap = 0.0 if index == 0 or word.joins_previous else space
        x += -gap - width if right_to_left else gap
        at = x
        for run in typefaces.runs(word.text, weight, size):
            pen.text((at, baseline), run.text, fill=255, font=run.font, anchor="ls")
            at += run.font.getlength(run.text)
        placed.append(PlacedWord(x, x + width, word.start_seconds, word.end_seconds))
        x += 0.0 if right_to_left else width
    left, top = corner
    return Line(
        np.asarray(image, dtype=np.uint8), round(left) - margin, round(top) - margin, tuple(placed), right_to_left, size
    )


def _is_right_to_left(text: str) -> bool:
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((kind in _RIGHT_TO_LEFT for kind in strong if kind in _RIGHT_TO_LEFT | {"L"}), False)
