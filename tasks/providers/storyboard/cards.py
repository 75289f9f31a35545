"""The sentence itself, large: over drifting colours (a card), or as the headline of a picture that opens the video."""

from collections.abc import Sequence

import numpy as np

from tasks.media.captions import Word
from tasks.providers.storyboard.backdrops import Clouds
from tasks.providers.storyboard.canvas import Canvas, Frame, Palette, ease_out, put_colour, rounded
from tasks.providers.storyboard.karaoke import LitLines
from tasks.providers.storyboard.lettering import Box, Line, Setting, set_lines
from tasks.providers.storyboard.typefaces import Typefaces

_SLIDE_SECONDS = 0.8
_RULE_SECONDS = 1.1
_UNSAID = 0.34
_UNSAID_ON_PICTURE = 0.55


class Headline:
    """Large words with a rule above them that grows; lives as long as its scene.

    Args:
        words: With their times from the scene's beginning.
        box: Where they stand.
        setting: How they are set.
        canvas: The frame.
        palette: The brand's colours.
        typefaces: What draws the words.
        unsaid: Opacity (0-1) of words that were not said yet.
    """

    def __init__(
        self,
        words: Sequence[Word],
        box: Box,
        setting: Setting,
        canvas: Canvas,
        palette: Palette,
        typefaces: Typefaces,
        unsaid: float,
    ) -> None:
        lines = set_lines(words, box, setting, typefaces)
        self._lit = LitLines(lines, palette.primary, unsaid)
        self._canvas, self._accent = canvas, palette.accent
        self._from_right = bool(lines) and lines[0].right_to_left
        size = lines[0].size if lines else setting.largest
        self._rule = (round(size * 1.25), max(2, round(size * 0.085)))
        left = box.left + box.width - self._rule[0] if self._from_right else box.left
        self._corner = (left, _top_of(lines, box) - round(size * 0.55))

    def paint(self, frame: Frame, at_seconds: float) -> None:
        """Draw it over a frame at a time from the scene's beginning."""
        arrived = ease_out(at_seconds / _SLIDE_SECONDS)
        self._paint_rule(frame, ease_out((at_seconds - 0.1) / _RULE_SECONDS))
        self._lit.paint(frame, at_seconds, arrived, (1 - arrived) * self._canvas.scaled(46))

    def _paint_rule(self, frame: Frame, grown: float) -> None:
        width = round(self._rule[0] * grown)
        if width < 2:
            return
        left, top = self._corner
        left += self._rule[0] - width if self._from_right else 0
        put_colour(frame, rounded(self._rule[1], width, self._rule[1] // 2), self._accent, left, top)


def _top_of(lines: Sequence[Line], box: Box) -> int:
    """The first row of the frame that letters of the text reach."""
    tops = (line.top + int(np.flatnonzero(line.mask.any(axis=1))[:1].sum()) for line in lines)
    return min(tops, default=box.top)


class Card:
    """Paints a card.

    Args:
        words: With their times from the scene's beginning.
        canvas: The frame.
        palette: The brand's colours.
        clouds: What lies behind; shared by all cards.
        typefaces: What draws the words.
        starts_seconds: When the scene begins in the video, so that the clouds run on.
        is_title: Larger, and brighter clouds.
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
        unsaid = _UNSAID if karaoke else 1.0
        self._headline = Headline(words, canvas.card_box, setting, canvas, palette, typefaces, unsaid)
        self._clouds, self._starts_seconds = clouds, starts_seconds
        self._strength = 1.0 if is_title else 0.88

    def paint(self, at_seconds: float) -> Frame:
        """Return the frame at a time from the scene's beginning."""
        frame = self._clouds.paint(self._starts_seconds + at_seconds, self._strength)
        self._headline.paint(frame, at_seconds)
        return frame


def opening_headline(
    words: Sequence[Word], canvas: Canvas, palette: Palette, typefaces: Typefaces, *, karaoke: bool
) -> Headline:
    """Return the words of an opening picture, large in its lower left."""
    setting = Setting("display", canvas.scaled(76), canvas.scaled(34), 5 if canvas.is_upright else 3, bottom=True)
    unsaid = _UNSAID_ON_PICTURE if karaoke else 1.0
    return Headline(words, canvas.headline_box, setting, canvas, palette.on_picture, typefaces, unsaid)
