"""Frames become a video by a real ffmpeg."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.domain.errors import EncodeFailedError
from tasks.media.probe import probe
from tasks.media.tools import find_tools
from tasks.providers.frame_video import encode_frames


def frames(count: int, width: int = 48, height: int = 32) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number * 8 % 256]) * (width * height * 3)


def encoded(target: Path, count: int, made_rate: float, frame_rate: int, frame_count: int, **also: object) -> Path:
    encode_frames(
        frames(count),
        made_size=(48, 32),
        made_rate=made_rate,
        size=(64, 36),
        frame_rate=frame_rate,
        frame_count=frame_count,
        target=target,
        ffmpeg=also.get("ffmpeg", find_tools().ffmpeg),  # type: ignore[arg-type]
        on_frame=also.get("on_frame", lambda: None),  # type: ignore[arg-type]
    )
    return target


def test_the_video_has_the_size_the_rate_and_the_length_that_were_asked_for(tmp_path: Path) -> None:
    found = probe(encoded(tmp_path / "a.mp4", 32, 16, 25, 50), find_tools())

    assert (found.video.width, found.video.height) == (64, 36)
    assert found.video.frame_rate == 25
    assert found.duration_seconds == pytest.approx(2.0)
    assert [each.name for each in tmp_path.iterdir()] == ["a.mp4"]


def test_an_encoder_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "b.mp4").mkdir()

    with pytest.raises(EncodeFailedError, match="directory"):
        encoded(tmp_path / "b.mp4", 2, 8, 8, 2)


def test_who_no_longer_wants_it_ends_the_encoder(tmp_path: Path) -> None:
    class UnwantedError(Exception):
        pass

    def stop() -> None:
        raise UnwantedError

    with pytest.raises(UnwantedError):
        encoded(tmp_path / "c.mp4", 4, 8, 8, 4, on_frame=stop)
