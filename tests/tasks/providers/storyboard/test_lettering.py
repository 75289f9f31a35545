from pathlib import Path

import pytest

from data.domain.errors import GenerationRejectedError
from tasks.media.captions import Word
from tasks.models.store import ModelStore
from tasks.providers.storyboard.lettering import Box, Setting, breakable, set_lines
from tasks.providers.storyboard.typefaces import Typefaces

BOX = Box(40, 20, 500, 260)
SETTING = Setting("display", 60, 14, 4)


@pytest.fixture
def typefaces(models: ModelStore) -> Typefaces:
    return Typefaces(models)


def words(text: str) -> list[Word]:
    return [Word(word, index, index + 0.8) for index, word in enumerate(text.split())]


@pytest.mark.parametrize(
    "text",
    [
        "Short",
        "The quick brown fox jumps over the lazy dog and back again, twice a day",
        "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen",
        "W" * 400,
        "“Quotes”, $12.50 & {braces} \\N %{eif} 'single': [x]",
        "日本語の文章はこのように書かれます",
        "🎉 done",
    ],
)
def test_every_text_fits_its_box(typefaces: Typefaces, text: str) -> None:
    lines = set_lines(words(text), BOX, SETTING, typefaces)

    assert lines
    for line in lines:
        assert line.words[-1].right - line.words[0].left <= BOX.width + 1
        assert line.mask.max() == 255


def test_short_text_is_set_large(typefaces: Typefaces) -> None:
    (line,) = set_lines(words("Hello there"), BOX, SETTING, typefaces)

    assert line.size == SETTING.largest


def test_lines_are_about_equally_wide(typefaces: Typefaces) -> None:
    first, second = set_lines(words("one two three four five six"), Box(0, 0, 560, 300), SETTING, typefaces)

    widths = [line.words[-1].right - line.words[0].left for line in (first, second)]
    assert min(widths) > 0.6 * max(widths)


def test_words_keep_their_times(typefaces: Typefaces) -> None:
    lines = set_lines(words("one two three"), BOX, SETTING, typefaces)

    assert [word.start_seconds for line in lines for word in line.words] == [0, 1, 2]


def test_text_without_blanks_is_broken_and_its_time_shared() -> None:
    parts = breakable([Word("東京。", 0.0, 2.0)])

    assert [part.text for part in parts] == ["東", "京。"]
    assert [part.start_seconds for part in parts] == [0.0, 1.0]
    assert [part.joins_previous for part in parts] == [False, True]


def test_scripts_that_run_to_the_left_do(typefaces: Typefaces) -> None:
    (line,) = set_lines(words("مرحبا بالعالم"), BOX, SETTING, typefaces)

    assert line.right_to_left
    assert line.words[0].left > line.words[1].left


def test_other_scripts_take_their_own_typeface(typefaces: Typefaces) -> None:
    set_lines(words("Hello 🎉"), BOX, SETTING, typefaces)

    assert typefaces.used_pins == ("font-noto-emoji",)


def test_a_brand_font_that_is_none_is_refused(models: ModelStore, tmp_path: Path) -> None:
    broken = tmp_path / "brand.ttf"
    broken.write_bytes(b"not a font")

    with pytest.raises(GenerationRejectedError):
        Typefaces(models, broken)
