"""Draws lines whose words light up as they are said: on cards large, over pictures as captions."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.media.captions import Word
from tasks.providers.storyboard.canvas import Canvas, Colour, Frame, put_colour, put_shadow
from tasks.providers.storyboard.lettering import Line, Setting, set_lines
from tasks.providers.storyboard.typefaces import Typefaces

_EDGE = 0.55  # of a line's height: how soft the border between said and unsaid is
_CAPTION_LINES = 2
_FILLED = 0.9  # of two lines: they do not break where it suits us
_BREAKS = ".,;:!?…—"
_COST_WITHIN_A_CLAUSE = 0.15
_UNSAID = 0.58


class LitLines:
    """Lines of one text; lives as long as its scene.

    Args:
        lines: As they were set.
        colour: Of the text.
        unsaid: Opacity (0-1) of words that were not said yet; 1 shows all words alike.
    """

    def __init__(self, lines: Sequence[Line], colour: Colour, unsaid: float) -> None:
        self._lines = lines
        self._masks = [line.mask.astype(np.float32) / 255 for line in lines]
        self._colour = colour
        self._unsaid = unsaid

    def paint(self, frame: Frame, at_seconds: float, opacity: float, down: float) -> None:
        """Draw them over a frame, as strongly as ``opacity`` (0-1) says and so many pixels further down."""
        if opacity <= 0:
            return
        for line, mask in zip(self._lines, self._masks, strict=True):
            gain = self._gain(line, at_seconds) * np.float32(opacity)
            put_colour(frame, mask * gain, self._colour, line.left, line.top + round(down))

    def _gain(self, line: Line, at_seconds: float) -> NDArray[np.float32]:
        """Opacity of each column of a line."""
        width = line.mask.shape[1]
        if self._unsaid >= 1:
            return np.ones(width, dtype=np.float32)
        reached = _reached(line, at_seconds)
        columns = np.arange(width, dtype=np.float32)
        ahead = columns - reached if not line.right_to_left else reached - columns
        edge = line.mask.shape[0] * _EDGE
        said = np.clip(0.5 - ahead / edge, 0, 1)
        gain = self._unsaid + (1 - self._unsaid) * said * said * (3 - 2 * said)
        return np.asarray(gain, dtype=np.float32)


def _reached(line: Line, at_seconds: float) -> float:
    """How far a line is said: a column of its mask, half an edge outside where nothing or everything is."""
    edge = line.mask.shape[0] * _EDGE
    sign = -1 if line.right_to_left else 1
    begin = (line.words[0].right if line.right_to_left else line.words[0].left) - sign * edge
    end = (line.words[-1].left if line.right_to_left else line.words[-1].right) + sign * edge
    times: list[float] = [line.words[0].start_seconds - 0.12]
    places: list[float] = [begin]
    for word in line.words:
        starts, ends = (word.right, word.left) if line.right_to_left else (word.left, word.right)
        times += [word.start_seconds, max(word.end_seconds, word.start_seconds + 0.01)]
        places += [starts, ends]
    times.append(times[-1] + 0.18)
    places.append(end)
    return float(np.interp(at_seconds, np.maximum.accumulate(times), places))


class Captions:
    """The captions of one scene: at most two lines at a time, over a shadow of their own.

    Args:
        words: With their times from the scene's beginning.
        canvas: The frame.
        colour: Of the text.
        typefaces: What draws it.
        karaoke: Light words up as they are said.
    """

    def __init__(
        self, words: Sequence[Word], canvas: Canvas, colour: Colour, typefaces: Typefaces, karaoke: bool
    ) -> None:
        size = canvas.scaled(46 if canvas.is_upright else 43)
        setting = Setting("text", size, round(size * 0.6), 99, centred=True, bottom=True)
        box = canvas.caption_box
        self._shows: list[tuple[float, float, LitLines, list[tuple[NDArray[np.float32], int, int]]]] = []
        groups = _groups(words, box.width, size, typefaces)
        for index, group in enumerate(groups):
            lines = set_lines(group, box, setting, typefaces)
            if not lines:
                continue
            start = 0.0 if index == 0 else group[0].start_seconds - 0.06
            end = groups[index + 1][0].start_seconds - 0.06 if index + 1 < len(groups) else float("inf")
            lit = LitLines(lines, colour, _UNSAID if karaoke else 1.0)
            self._shows.append((start, end, lit, [_shadow(line, size) for line in lines]))

    def paint(self, frame: Frame, at_seconds: float, opacity: float) -> None:
        """Draw what is to be read at a time."""
        for start, end, lit, shadows in self._shows:
            if start <= at_seconds < end:
                for alpha, left, top in shadows:
                    put_shadow(frame, alpha * np.float32(opacity), left, top)
                lit.paint(frame, at_seconds, opacity, 0.0)


def _groups(words: Sequence[Word], width: int, size: int, typefaces: Typefaces) -> list[list[Word]]:
    """Words that are shown together: at most two lines, about equally much each time, ending at a mark where one is.

    The cheapest division of all (dynamic programming), so that no single word is left over for the end.
    """
    font = typefaces.font("text", size)
    lengths = [font.getlength(f"{word.text} ") for word in words]
    limit = max(_CAPTION_LINES * width * _FILLED, *lengths, 1.0)
    aim = sum(lengths) / max(1, -(-sum(lengths) // limit))
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(words) + 1):
        options = []
        used = 0.0
        for start in range(end - 1, -1, -1):
            used += lengths[start]
            if used > limit:
                break
            mark = 0.0 if end == len(words) or words[end - 1].text[-1:] in _BREAKS else _COST_WITHIN_A_CLAUSE
            options.append((best[start][0] + (1 - used / aim) ** 2 + mark, start))
        best.append(min(options))
    groups: list[list[Word]] = []
    end = len(words)
    while end > 0:
        start = best[end][1]
        groups.insert(0, list(words[start:end]))
        end = start
    return groups


def _shadow(line: Line, size: int) -> tuple[NDArray[np.float32], int, int]:
    """A soft shadow that keeps light text readable on a light picture."""
    margin = size // 3
    wide = cv2.copyMakeBorder(line.mask, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
    spread = max(3, size // 8) | 1
    thick = cv2.dilate(wide, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (spread, spread)))
    soft = cv2.GaussianBlur(thick, (0, 0), size / 7)
    alpha = np.asarray(soft, dtype=np.float32) * np.float32(0.6 / 255)
    return alpha, line.left - margin, line.top - margin
