import numpy as np
import pytest
from numpy.typing import NDArray

from data.domain.analysis import Event
from tasks.models.analysis.silence import SilenceCheck

RATE = 48_000


def silences(blocks: list[NDArray[np.float32]]) -> list[Event]:
    return list(SilenceCheck(25.0).hear(blocks))


def tone(seconds: float, level: float = 0.3) -> NDArray[np.float32]:
    wave = level * np.sin(np.arange(round(seconds * RATE)) * 0.05)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def nothing(seconds: float) -> NDArray[np.float32]:
    return np.zeros((round(seconds * RATE), 2), np.float32)


@pytest.mark.parametrize("block", [1000, 48_000, 500_000])
def test_silence_is_found_whatever_the_blocks(block: int) -> None:
    sound = np.concatenate([tone(1), nothing(3), tone(1)])

    (event,) = silences([sound[at : at + block] for at in range(0, len(sound), block)])

    assert event.kind == "silence"
    assert event.at_seconds == pytest.approx(1, abs=0.05)
    assert event.value == pytest.approx(3, abs=0.1)
    assert event.frame in (24, 25, 26)


def test_a_pause_between_sentences_is_none() -> None:
    assert silences([tone(1), nothing(1.5), tone(1)]) == []


@pytest.mark.parametrize("seconds", [1, 5])
def test_a_silent_video_has_no_event_and_is_silent_throughout(seconds: int) -> None:
    check = SilenceCheck(25.0)

    assert list(check.hear([nothing(seconds)])) == []
    assert check.is_throughout


def test_silence_to_the_end_alone_is_an_event() -> None:
    check = SilenceCheck(25.0)

    assert [event.value for event in check.hear([tone(1), nothing(3)])] == [pytest.approx(3, abs=0.1)]
    assert not check.is_throughout


def test_hiss_below_sixty_decibels_is_silence() -> None:
    assert len(silences([tone(1), tone(3, level=0.0009)])) == 1
    assert silences([tone(3, level=0.002)]) == []


def test_no_sound_has_no_silence() -> None:
    check = SilenceCheck(25.0)

    assert list(check.hear([])) == []
    assert not check.is_throughout
