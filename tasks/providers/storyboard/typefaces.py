"""Which typeface draws which character: the brand's or the shipped one, and Noto where those have no such letter.

The shipped display typeface is Bricolage Grotesque (SIL Open Font License, ``fonts/OFL.txt``). Typefaces of other
scripts and emoji are pins of the model store, fetched when a text first needs them. No font of the machine is ever
used, so the same words look the same everywhere.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import ImageFont

from data.domain.errors import GenerationRejectedError
from tasks.models.store import ModelStore

Weight = Literal["display", "text"]

SHIPPED = Path(__file__).with_name("fonts")
_FILES: dict[Weight, str] = {
    "display": "BricolageGrotesque-ExtraBold.ttf",
    "text": "BricolageGrotesque-SemiBold.ttf",
}
_PINS = {
    "ARABIC": "font-noto-sans-arabic",
    "DEVANAGARI": "font-noto-sans-devanagari",
    "THAI": "font-noto-sans-thai",
    "HIRAGANA": "font-noto-sans-jp",
    "KATAKANA": "font-noto-sans-jp",
    "KATAKANA-HIRAGANA": "font-noto-sans-jp",
    "IDEOGRAPHIC": "font-noto-sans-jp",
    "HANGUL": "font-noto-sans-kr",
    "CJK": "font-noto-sans-sc",
    "FULLWIDTH": "font-noto-sans-sc",
}
_OTHERS = "font-noto-sans"
_EMOJI = "font-noto-emoji"
_JOINING = {"\u200d", "\ufe0e", "\ufe0f", "\u20e3"}  # belong to the character before
_MEASURED_AT = 64
_NO_CHARACTER = "\U0010fffe"


@dataclass(frozen=True)
class Run:
    """Characters that one typeface draws."""

    text: str
    font: ImageFont.FreeTypeFont


class Typefaces:
    """The typefaces of one video; lives as long as it is made.

    Args:
        store: Where the typefaces of other scripts lie.
        brand_font: A font file of the user's own, checked here; ``None`` takes the shipped one.

    Raises:
        GenerationRejectedError: The brand's file is no font.
    """

    def __init__(self, store: ModelStore, brand_font: Path | None = None) -> None:
        self._store = store
        self._brand_font = brand_font
        self._used: set[str] = set()
        if brand_font is not None:
            try:
                ImageFont.truetype(str(brand_font), _MEASURED_AT)
            except OSError as error:
                raise GenerationRejectedError(
                    f"The brand's font {brand_font.name} cannot be read.", {"field": "brand.font"}
                ) from error

    @property
    def used_pins(self) -> tuple[str, ...]:
        """The pinned typefaces that were needed so far."""
        return tuple(sorted(self._used))

    def font(self, weight: Weight, size: int) -> ImageFont.FreeTypeFont:
        """Return the main typeface in a size in pixels."""
        return _font(self._main(weight), size)

    def runs(self, text: str, weight: Weight, size: int) -> list[Run]:
        """Divide a word into what each typeface draws; what none can draw is left out."""
        runs: list[tuple[str, Path]] = []
        for character in text:
            if runs and (character in _JOINING or unicodedata.combining(character)):
                runs[-1] = (runs[-1][0] + character, runs[-1][1])
                continue
            path = self._path(character, text, weight)
            if path is None:
                continue
            if runs and runs[-1][1] == path:
                runs[-1] = (runs[-1][0] + character, path)
            else:
                runs.append((character, path))
        return [Run(part, _font(path, size)) for part, path in runs]

    def _main(self, weight: Weight) -> Path:
        return self._brand_font or SHIPPED / _FILES[weight]

    def _path(self, character: str, text: str, weight: Weight) -> Path | None:
        if not character.isprintable() or character in _JOINING:
            return None
        for path in (self._main(weight), SHIPPED / _FILES[weight]):
            if _has(path, character):
                return path
        return next((path for path in self._pinned(character, text) if _has(path, character)), None)

    def _pinned(self, character: str, text: str) -> Iterator[Path]:
        for name in _pins_for(character, text):
            self._used.add(name)
            yield next(iter(sorted(self._store.path(name).glob("*.ttf"))))


def _pins_for(character: str, text: str) -> tuple[str, ...]:
    script = unicodedata.name(character, "").split(" ")[0]
    if script == "CJK" and any(unicodedata.name(c, "").startswith(("HIRAGANA", "KATAKANA")) for c in text):
        return ("font-noto-sans-jp", "font-noto-sans-sc")
    if script in _PINS:
        return (_PINS[script],)
    if ord(character) >= 0x1F000 or unicodedata.category(character) == "So":
        return (_EMOJI,)
    return (_OTHERS,)


@lru_cache(maxsize=256)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)


@lru_cache(maxsize=8192)
def _has(path: Path, character: str) -> bool:
    if character.isspace():
        return True
    font = _font(path, _MEASURED_AT)
    return bytes(font.getmask(character)) != bytes(font.getmask(_NO_CHARACTER))
