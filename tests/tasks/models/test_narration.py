from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data.domain.errors import ModelMissingError, RecipeInvalidError
from tasks.media.captions import join_words
from tasks.models.narration import SAMPLE_RATE_HZ, Narrator
from tasks.models.phonemes import Phonemizer
from tasks.models.speech import transcribe
from tasks.models.store import ModelStore
from tests.fakes.sounds import write_wav
from tests.fakes.word_errors import word_error_rate

PANGRAM = "The quick brown fox, it is said, jumps over the lazy dog."


@pytest.fixture(scope="module")
def phonemizer(models: ModelStore) -> Iterator[Phonemizer]:
    with Phonemizer(models) as phonemizer:
        yield phonemizer


@pytest.fixture(scope="module")
def narrator(models: ModelStore, phonemizer: Phonemizer) -> Narrator:
    return Narrator(models.path("kokoro-82m"), phonemizer, "af_heart")


def test_every_written_word_has_its_time(narrator: Narrator) -> None:
    speech = narrator.say("Of the 3 best, “two” 🎉 stayed.")

    assert [word.text for word in speech.words] == ["Of", "the", "3", "best,", "“two”", "🎉", "stayed."]
    times = [time for word in speech.words for time in (word.start_seconds, word.end_seconds)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= speech.duration_seconds
    assert speech.words[5].start_seconds == speech.words[5].end_seconds


def test_what_cannot_be_said_takes_no_time(narrator: Narrator) -> None:
    speech = narrator.say("🎉 …")

    assert len(speech.samples) == 0
    assert [word.text for word in speech.words] == ["🎉", "…"]


def test_the_same_words_sound_the_same(narrator: Narrator) -> None:
    assert np.array_equal(narrator.say("Again and again.").samples, narrator.say("Again and again.").samples)


def test_an_unknown_voice_is_refused(models: ModelStore, phonemizer: Phonemizer) -> None:
    with pytest.raises(RecipeInvalidError):
        Narrator(models.path("kokoro-82m"), phonemizer, "xx_nobody")


def test_missing_weights_say_how_to_get_them(phonemizer: Phonemizer, tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="pull kokoro-82m"):
        Narrator(tmp_path, phonemizer, "af_heart")


def test_words_are_where_whisper_hears_them(narrator: Narrator, models: ModelStore, tmp_path: Path) -> None:
    speech = narrator.say(PANGRAM)
    sound = tmp_path / "said.wav"
    write_wav(sound, _at_16_khz(speech.samples))

    heard = transcribe(sound, models.path("whisper-base"), language="en", threads=2)

    assert word_error_rate(join_words(heard.words), PANGRAM) == 0
    ends = [(said.end_seconds, word.end_seconds) for said, word in zip(speech.words, heard.words, strict=True)]
    assert float(np.median([abs(said - word) for said, word in ends])) <= 0.15


def _at_16_khz(samples: np.ndarray) -> np.ndarray:
    at = np.arange(0, len(samples), SAMPLE_RATE_HZ / 16_000)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
