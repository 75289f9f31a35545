from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.media.edits import speed
from tests.fakes.footage import edited, keeps_its_promise, make_clip
from tests.fakes.shapes import shape_of


def pitch(sound: NDArray[np.float32]) -> float:
    """The strongest frequency in the middle of a sound, in Hz."""
    middle = sound[len(sound) // 4 : -len(sound) // 4, 0]
    return float(np.argmax(np.abs(np.fft.rfft(middle)))) * 48_000 / len(middle)


@pytest.mark.parametrize("factor", [0.25, 0.7, 1.5, 2, 4])
def test_time_is_stretched_and_the_pitch_is_kept(tmp_path: Path, factor: float) -> None:
    # Each frame is as bright as its number says.
    picture = "color=black:s=64x48:r=25:d=2,format=gray,geq=lum='20+4*N'"
    source = make_clip(tmp_path / "clip.mkv", picture, "sine=f=440:d=2:r=48000", "-c:v", "ffv1", "-c:a", "flac")
    whole, _ = edited(source, {})

    made, shape = edited(source, {"speed": factor})

    assert keeps_its_promise(made, shape)
    assert shape.duration_seconds == pytest.approx(2 / factor, abs=0.021)
    for index in range(0, shape.frame_count, 7):
        nearest = min(len(whole.luma) - 1, index * factor)
        around = whole.luma[max(0, int(nearest) - 1) : int(nearest) + 3]
        assert around.min() - 1 <= made.luma[index] <= around.max() + 1
    assert made.sound is not None
    assert pitch(made.sound) == pytest.approx(440, abs=4)
    loud = np.abs(made.sound).reshape(-1, 2)
    assert loud[-48_000 // 10 :].max() > 0.05  # it lasts to the end


def test_slowing_down_shows_every_picture_of_a_fast_source() -> None:
    rate = speed.working_rate(0.5, Fraction(120), 60)

    shape = speed.outcome(0.5, shape_of(rate=str(rate), frame_count=240), 60)

    assert (rate, shape.frame_rate, shape.frame_count) == (120, 60, 240)


def test_a_rate_is_capped_whatever_the_speed() -> None:
    assert speed.working_rate(2, Fraction(120), 60) == 60
    assert speed.outcome(4, shape_of(rate="50"), 60).frame_rate == 50


def test_one_frame_stays_one(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mp4", "testsrc2=s=64x48:r=25:d=0.04")

    made, shape = edited(source, {"speed": 4})

    assert keeps_its_promise(made, shape)
    assert shape.frame_count == 1
