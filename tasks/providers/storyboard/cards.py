"""A card: the sentence itself, large, over drifting colours; its words light up as they are said."""

from collections.abc import Sequence

import numpy as np

from tasks.media.captions import Word
from tasks.providers.storyboard.backdrops import Clouds
from tasks.providers.storyboard.canvas import Canvas, Frame, Palette, ease_out, put_colour, rounded
from tasks.providers.storyboard.karaoke import LitLines
from tasks.providers.storyboard.lettering import Line, Setting, set_lines
from tasks.providers.storyboard.typefaces import Typefaces

_SLIDE_SECONDS = 0.8
_RULE_SECONDS = 1.1
_UNSAID = 0.34


class Card:
    """Paints a card.

    Args:
        words: With their times from the scene's beginning.
        canvas: The frame.
        palette: The brand's colours.
        clouds: What lies behind; shared by all cards.
        typefaces: What draws the words.
        starts_seconds: When the scene begins in the video, so that the clouds run on.
        is_title: Larger, and lighter clouds.
        karaoke: Light words up as they are said.
    """

    def __init__(
        self,
        words: Sequence[Word],
        canvas: Canvas,
        palette: Palette,
        clouds: Clouds,
        typefaces: Typefaces,
        *,
        starts_seconds: float,
        is_title: bool,
        karaoke: bool,
    ) -> None:
        largest = canvas.scaled(104 if is_title else 80)
        setting = Setting("display", largest, canvas.scaled(26), 9 if canvas.is_upright else 5)
        lines = set_lines(words, canvas.card_box, setting, typefaces)
        self._lit = LitLines(lines, palette.primary, _UNSAID if karaoke else 1.0)
        self._canvas, self._palette, self._clouds = canvas, palette, clouds
        self._starts_seconds = starts_seconds
        self._strength = 1.0 if is_title else 0.78
        self._rule = (canvas.scaled(132 if is_title else 84), canvas.scaled(7))
        self._rule_corner = self._place_of_rule(lines)
        self._from_right = bool(lines) and lines[0].right_to_left

    def paint(self, at_seconds: float) -> Frame:
        """Return the frame at a time from the scene's beginning."""
        frame = self._clouds.paint(self._starts_seconds + at_seconds, self._strength)
        arrived = ease_out(at_seconds / _SLIDE_SECONDS)
        self._paint_rule(frame, ease_out((at_seconds - 0.1) / _RULE_SECONDS))
        self._lit.paint(frame, at_seconds, arrived, (1 - arrived) * self._canvas.scaled(46))
        return frame

    def _place_of_rule(self, lines: Sequence[Line]) -> tuple[int, int]:
        box = self._canvas.card_box
        top = min((line.top + np.flatnonzero(line.mask.any(axis=1))[:1].sum() for line in lines), default=box.top)
        right_to_left = bool(lines) and lines[0].right_to_left
        left = box.left + box.width - self._rule[0] if right_to_left else box.left
        return left, int(top) - self._canvas.scaled(46)

    def _paint_rule(self, frame: Frame, grown: float) -> None:
        width = round(self._rule[0] * grown)
        if width < 2:
            return
        left, top = self._rule_corner
        left += self._rule[0] - width if self._from_right else 0
        put_colour(frame, rounded(self._rule[1], width, self._rule[1] // 2), self._palette.accent, left, top)
