from pathlib import Path

import pytest

from data.domain.errors import CorruptInputError
from tasks.media.sampling import sampled_frames
from tests.fakes.clips import clip


def test_frames_come_at_even_times_from_the_first_on() -> None:
    frames = list(sampled_frames(clip("bikes"), 2.0))

    assert [round(frame.at_seconds, 1) for frame in frames] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert frames[0].image_bgr.shape[2] == 3


def test_an_interval_shorter_than_a_frame_gives_every_frame_once() -> None:
    times = [frame.at_seconds for frame in sampled_frames(clip("carphone_pristine"), 0.001)]

    assert len(times) == len(set(times)) > 30


def test_what_is_no_video_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video" * 1000)

    for path in (tmp_path / "a.mp4", clip("beckett")):
        with pytest.raises(CorruptInputError):
            list(sampled_frames(path, 1.0))
