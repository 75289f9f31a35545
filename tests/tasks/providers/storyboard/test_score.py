import wave
from pathlib import Path

import numpy as np
import pytest

from tasks.providers.storyboard.score import SAMPLE_RATE_HZ, Score, write_score


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, SAMPLE_RATE_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2) / 32768


def test_the_same_seed_plays_the_same_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_score(Score.of(seed), 4.0, tmp_path / name)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


@pytest.mark.parametrize("seconds", [0.5, 7.3, 20.0])
def test_it_is_as_long_as_asked_for_and_fades_at_both_ends(tmp_path: Path, seconds: float) -> None:
    write_score(Score.of(5), seconds, tmp_path / "score.wav")

    sound = samples(tmp_path / "score.wav")
    assert len(sound) == round(seconds * SAMPLE_RATE_HZ)
    assert np.abs(sound[:64]).max() < 0.01
    assert np.abs(sound[-64:]).max() < 0.01
    assert np.abs(sound).max() < 0.51


def test_it_never_falls_silent_or_clips(tmp_path: Path) -> None:
    write_score(Score.of(9), 25.0, tmp_path / "score.wav")

    seconds = samples(tmp_path / "score.wav")[: 25 * SAMPLE_RATE_HZ].reshape(25, -1)
    loudness = np.sqrt((seconds**2).mean(axis=1))
    assert loudness[2:20].min() > 0.008
    assert loudness.max() / loudness[2:20].min() < 8


def test_it_says_that_it_is_composed() -> None:
    assert Score.of(7).label.startswith("composed: ")
