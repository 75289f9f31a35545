import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from data.domain.errors import ModelMissingError, RecipeInvalidError
from tasks.media.captions import Transcript, join_words
from tasks.models.audio import SAMPLE_RATE_HZ
from tasks.models.speech import is_babble, repetition, transcribe, translate
from tasks.models.store import ModelStore
from tests.fakes.clips import clip
from tests.fakes.sounds import Samples, noise, samples_of, silence, tone, write_wav
from tests.fakes.word_errors import word_error_rate

TWO_CITIES = """
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness,
it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness,
it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing before us,
we were all going direct to Heaven, we were all going direct the other way - in short, the period was so far like the
present period, that some of its noisiest authorities insisted on its being received, for good or for evil, in the
superlative degree of comparison only.
"""


@pytest.fixture(scope="session")
def whisper(models: ModelStore) -> Path:
    return models.path("whisper-base")


def heard(transcript: Transcript) -> str:
    return join_words(transcript.words)


@pytest.fixture(scope="session")
def two_cities(whisper: Path) -> Transcript:
    return transcribe(clip("two_cities"), whisper, threads=2)


def test_real_speech_is_written_down(two_cities: Transcript) -> None:
    assert word_error_rate(heard(two_cities), TWO_CITIES) <= 0.03
    assert two_cities.language == "en"
    assert two_cities.language_probability > 0.8
    assert two_cities.model == "whisper-base"


def test_every_word_has_its_time(two_cities: Transcript) -> None:
    words = two_cities.words

    assert all(0 <= word.start_seconds <= word.end_seconds <= two_cities.duration_seconds for word in words)
    assert [word.start_seconds for word in words] == sorted(word.start_seconds for word in words)
    assert all(0 <= word.probability <= 1 for word in words)
    assert two_cities.duration_seconds == pytest.approx(44.374, abs=0.01)


def test_a_transcript_survives_its_json(two_cities: Transcript) -> None:
    assert Transcript.model_validate_json(two_cities.model_dump_json()) == two_cities


def test_speech_under_music_is_still_written_down(whisper: Path, tmp_path: Path) -> None:
    speech = samples_of(clip("two_cities"), 0, 24)
    music = samples_of(clip("bbb"), 60, 24)
    mixed = write_wav(tmp_path / "mixed.wav", 0.7 * speech + 0.5 * music)

    words = transcribe(mixed, whisper, language="en", threads=2)

    said = TWO_CITIES[: TWO_CITIES.index("we were all going")]
    assert word_error_rate(heard(words), said) <= 0.1


def test_speech_between_music_keeps_its_time_and_the_music_stays_mute(whisper: Path, tmp_path: Path) -> None:
    film = samples_of(clip("bbb"), 60, 20)
    sound = np.concatenate([film, samples_of(clip("two_cities"), 0, 8.4), film])
    progress: list[float] = []

    transcript = transcribe(write_wav(tmp_path / "a.wav", sound), whisper, threads=2, on_progress=progress.append)

    assert heard(transcript).startswith("It was the best of times")
    assert transcript.words[0].start_seconds == pytest.approx(20.8, abs=0.5)
    assert transcript.words[-1].end_seconds < 28.9
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def sound_of(name: str) -> Samples:
    made = {"silence": silence(12), "noise": noise(12), "faint noise": noise(12, 0.003), "tone": tone(12)}
    if name in made:
        return made[name]
    clip_name, _, start = name.partition(" at ")
    return samples_of(clip(clip_name), float(start or 0), 30)


@pytest.mark.parametrize(
    "name", ["silence", "noise", "faint noise", "tone", "bbb at 60", "bbb at 200", "sax", "cantina", "face_noface"]
)
def test_no_words_are_invented(name: str, whisper: Path, tmp_path: Path) -> None:
    transcript = transcribe(write_wav(tmp_path / "sound.wav", sound_of(name)), whisper, threads=2)

    assert heard(transcript) == ""
    assert transcript.language == "und"
    assert transcript.language_probability == 0


@pytest.mark.parametrize(
    ("phrase", "so"),
    [
        (" W-w-w-w-w-w-w", True),
        ("M M M", True),
        ("a-a", False),
        ("W-w-w-what?", False),
        ("la la la", False),
        ("", False),
    ],
)
def test_one_letter_again_and_again_is_no_speech(phrase: str, so: bool) -> None:
    assert is_babble(phrase) is so


@pytest.mark.slow
def test_a_whole_film_without_speech_has_no_words(whisper: Path) -> None:
    assert heard(transcribe(clip("bbb"), whisper, threads=2)) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two_cities", "nagg_nell", "bigbuckbunny"])
def test_what_sounds_like_a_voice_but_is_none_has_no_words(name: str, whisper: Path, tmp_path: Path) -> None:
    samples = samples_of(clip(name))
    backwards = samples if name == "bigbuckbunny" else samples[::-1]

    transcript = transcribe(write_wav(tmp_path / "sound.wav", backwards), whisper, threads=2)

    assert heard(transcript) == ""


@pytest.mark.slow
def test_a_recording_longer_than_a_block_is_one_transcript(whisper: Path, tmp_path: Path) -> None:
    speech = samples_of(clip("two_cities"))
    gap = silence(560)
    sound = np.concatenate([speech, gap, speech])

    transcript = transcribe(write_wav(tmp_path / "long.wav", sound), whisper, threads=2)

    assert word_error_rate(heard(transcript), TWO_CITIES * 2) <= 0.03
    assert transcript.words[-1].end_seconds == pytest.approx(44.4 + 560 + 41.5, abs=1)
    assert transcript.duration_seconds == pytest.approx(len(sound) / SAMPLE_RATE_HZ, abs=0.01)


def test_a_loop_is_told_from_prose_in_any_script() -> None:
    assert repetition(TWO_CITIES) < 2.8
    assert repetition("I'm sorry, " * 40) > 2.8
    assert repetition("هل أنت " * 40) > 2.8
    assert repetition("यह सबसे अच्छा समय था, यह सबसे बुरा समय था, यह ज्ञान का युग था, यह मूर्खता का युग था।") < 2.0


def test_a_folder_without_weights_is_an_error_that_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"python -m tasks\.models pull"):
        transcribe(clip("beckett"), tmp_path)


def test_a_language_that_the_model_does_not_know_is_the_recipes_fault(whisper: Path) -> None:
    with pytest.raises(RecipeInvalidError, match="'xx'"):
        transcribe(clip("beckett"), whisper, language="xx", threads=2)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="speaks German with espeak-ng")
def test_what_is_said_in_german_is_written_down_and_translated(whisper: Path, tmp_path: Path) -> None:
    said = "Guten Abend, meine Damen und Herren. Heute ist das Wetter in Berlin sehr schön."
    subprocess.run(["espeak-ng", "-v", "de", "-s", "130", "-w", str(tmp_path / "de.wav"), said], check=True)

    spoken = transcribe(tmp_path / "de.wav", whisper, threads=2)
    english = translate(tmp_path / "de.wav", whisper, spoken, threads=2)

    assert (spoken.language, spoken.is_translation) == ("de", False)
    assert (english.language, english.is_translation) == ("en", True)
    assert "Good evening" in heard(english)
    assert all(0 <= word.start_seconds <= spoken.duration_seconds for word in english.words)


def test_where_nothing_is_said_nothing_is_translated(whisper: Path, tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "music.wav", samples_of(clip("bbb"), 60, 10))
    silent = Transcript(language="de", language_probability=1, words=(), duration_seconds=10, model="whisper-base")

    assert translate(sound, whisper, silent, threads=2).words == ()
