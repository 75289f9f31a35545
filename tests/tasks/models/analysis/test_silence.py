import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.models.analysis.silence import find_silences

RATE = 48_000


def tone(seconds: float, level: float = 0.3) -> NDArray[np.float32]:
    wave = level * np.sin(np.arange(round(seconds * RATE)) * 0.05)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def nothing(seconds: float) -> NDArray[np.float32]:
    return np.zeros((round(seconds * RATE), 2), np.float32)


@pytest.mark.parametrize("block", [1000, 48_000, 500_000])
def test_silence_is_found_whatever_the_blocks(block: int) -> None:
    sound = np.concatenate([tone(1), nothing(3), tone(1)])

    (event,) = find_silences([sound[at : at + block] for at in range(0, len(sound), block)], 25.0)

    assert event.kind == "silence"
    assert event.at_seconds == pytest.approx(1, abs=0.05)
    assert event.value == pytest.approx(3, abs=0.1)
    assert event.frame in (24, 25, 26)


def test_a_pause_between_sentences_is_none() -> None:
    assert list(find_silences([tone(1), nothing(1.5), tone(1)], 25.0)) == []


def test_a_silent_video_is_silent_from_beginning_to_end() -> None:
    (event,) = find_silences([nothing(5)], 25.0)

    assert (event.at_seconds, event.value) == (0.0, 5.0)


def test_hiss_below_sixty_decibels_is_silence() -> None:
    assert len(list(find_silences([tone(3, level=0.0009)], 25.0))) == 1
    assert list(find_silences([tone(3, level=0.002)], 25.0)) == []


def test_no_sound_has_no_silence() -> None:
    assert list(find_silences([], 25.0)) == []
