from pathlib import Path

import numpy as np
import pytest

from tasks.media.process import run_ffmpeg
from tasks.media.tools import find_tools
from tasks.models.audio import SAMPLE_RATE_HZ
from tasks.providers.storyboard.mixing import Placed, Tracks, finish_arguments, mix_arguments
from tests.fakes.sounds import noise, samples_of, silence, tone, write_wav


def spectrum_at(samples: np.ndarray, hertz: float) -> float:
    at = np.arange(len(samples)) / SAMPLE_RATE_HZ
    return float(np.abs((samples * np.exp(-2j * np.pi * hertz * at)).mean()))


@pytest.fixture
def mixed(tmp_path: Path) -> np.ndarray:
    write_wav(tmp_path / "music.wav", tone(8, 440))
    write_wav(tmp_path / "voice.wav", np.concatenate([silence(3), noise(2, 0.2), silence(3)]))
    tracks = Tracks(
        Placed(tmp_path / "voice.wav", 0.0), Placed(tmp_path / "music.wav", 0.0), bumpers=(), duration_seconds=8.0
    )
    run_ffmpeg(mix_arguments(tracks, tmp_path / "mix.wav"), tools=find_tools(), log_path=tmp_path / "log")
    return samples_of(tmp_path / "mix.wav")


def test_the_music_steps_back_while_somebody_speaks_and_returns(mixed: np.ndarray) -> None:
    before, during, after = (
        spectrum_at(mixed[int(start * SAMPLE_RATE_HZ) : int((start + 1) * SAMPLE_RATE_HZ)], 440)
        for start in (1.5, 3.7, 6.9)
    )

    assert during < 0.6 * before
    assert after > 0.85 * before


def test_the_mix_is_as_long_as_the_video(mixed: np.ndarray) -> None:
    assert len(mixed) / SAMPLE_RATE_HZ == pytest.approx(8.0, abs=0.02)


def test_tags_cannot_become_options() -> None:
    arguments = finish_arguments(Path("p.mp4"), Path("m.wav"), None, Path("t.mp4"), {"comment": "-i /etc/passwd"})

    assert arguments[arguments.index("-metadata") + 1] == "comment=-i /etc/passwd"
    assert arguments.count("-i") == 2
