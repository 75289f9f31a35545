from pathlib import Path

import numpy as np
import pytest

from data.domain.edits import FadeOptions
from data.domain.errors import EditImpossibleError
from tasks.media.edits import fade
from tests.fakes.footage import edited, keeps_its_promise, make_clip
from tests.fakes.shapes import shape_of


def test_picture_and_sound_come_out_of_black_and_silence_and_go_back(tmp_path: Path) -> None:
    source = make_clip(
        tmp_path / "clip.mkv", "color=white:s=64x48:r=25:d=2", "sine=d=2", "-c:v", "ffv1", "-c:a", "flac"
    )

    made, shape = edited(source, {"fade": {"in_seconds": 0.4, "out_seconds": 0.8}})

    assert keeps_its_promise(made, shape)
    assert made.luma[0] == 0
    assert made.luma[-1] < 255 * 0.06
    assert made.luma[10:30].min() > 254
    assert all(np.diff(made.luma[:11]) > 0)
    assert all(np.diff(made.luma[31:]) < 0)
    assert made.sound is not None
    parts = [float(np.abs(part).max()) for part in np.split(made.sound, 20)]
    assert parts[0] < 0.3 * parts[8] < parts[3]
    assert parts[-1] < 0.2 * parts[8]
    assert parts[11] == pytest.approx(parts[8], rel=0.02)


def test_fades_that_do_not_fit_are_refused_with_their_numbers() -> None:
    with pytest.raises(EditImpossibleError, match=r"Fades of 3 s and 2 s do not fit into 4\.000 s") as refused:
        fade.outcome(FadeOptions(in_seconds=3, out_seconds=2), shape_of(frame_count=100))

    assert refused.value.facts == {"in_seconds": 3, "out_seconds": 2, "duration_seconds": 4}


def test_a_video_without_sound_fades_too(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mkv", "color=white:s=64x48:r=25:d=1", None, "-c:v", "ffv1")

    made, shape = edited(source, {"fade": {"in_seconds": 0.4}})

    assert keeps_its_promise(made, shape)
    assert made.luma[0] == 0
