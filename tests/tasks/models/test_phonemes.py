from collections.abc import Iterator

import pytest

from tasks.models.phonemes import Phonemizer, to_letters
from tasks.models.store import ModelStore


@pytest.fixture(scope="module")
def american(models: ModelStore) -> Iterator[Phonemizer]:
    with Phonemizer(models) as phonemizer:
        yield phonemizer


def test_words_become_the_letters_that_the_voice_was_trained_on(american: Phonemizer) -> None:
    assert american.phonemes("Hello world") == "həlˈO wˈɜɹld"


@pytest.mark.parametrize("text", ["", "   ", "..."])
def test_nothing_sounds_like_nothing(american: Phonemizer, text: str) -> None:
    assert american.phonemes(text) == ""


def test_hostile_text_is_only_read(american: Phonemizer) -> None:
    assert american.phonemes("--version; $(reboot) <break/> [[_^_fr]] \\N") != ""
    assert american.phonemes("fine") == "fˈIn"


def test_the_british_say_it_otherwise(american: Phonemizer, models: ModelStore) -> None:
    with Phonemizer(models, "en-gb") as british:
        assert british.phonemes("go") == "ɡˈQ"
        assert british.phonemes("there") == "ðˈɛː"
    assert american.phonemes("go") == "ɡˈO"


def test_marks_of_another_language_are_no_sounds() -> None:
    assert to_letters("(fr)bɔ^ʒˈuʁ(en)", "en-us") == "bɔʒˈuʁ"
