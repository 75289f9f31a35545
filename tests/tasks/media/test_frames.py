from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.domain.errors import EncodeFailedError
from tasks.media.frames import (
    FrameQuality,
    JudgedFrame,
    Picture,
    best_frames,
    extract_frame,
    frame_quality,
    judge_frames,
    raw_pictures,
    write_jpeg,
)
from tasks.media.process import Limits, run_ffmpeg
from tasks.media.tools import find_tools
from tests.fakes.clips import clip


@pytest.fixture(scope="module")
def real_frame() -> Picture:
    """A frame of Big Buck Bunny, 640x360."""
    video = cv2.VideoCapture(str(clip("bigbuckbunny")))
    video.set(cv2.CAP_PROP_POS_FRAMES, 40)
    found, frame = video.read()
    assert found
    return np.asarray(cv2.resize(frame, (640, 360), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def flat(value: int) -> Picture:
    return np.full((360, 640, 3), value, dtype=np.uint8)


def blurred(picture: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 6), dtype=np.uint8)


def darkened(picture: Picture) -> Picture:
    return (picture // 8).astype(np.uint8)


def burnt(picture: Picture) -> Picture:
    return np.clip(picture.astype(np.int32) * 4, 0, 255).astype(np.uint8)


def foggy(picture: Picture) -> Picture:
    return (picture // 8 + 112).astype(np.uint8)


def grey(picture: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), dtype=np.uint8)


@pytest.mark.parametrize("spoiled", [blurred, darkened, burnt, foggy, grey])
def test_what_spoils_a_frame_lowers_its_score(real_frame: Picture, spoiled: Callable[[Picture], Picture]) -> None:
    assert frame_quality(spoiled(real_frame)).score < 0.9 * frame_quality(real_frame).score


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_frame_scores_nothing(value: int) -> None:
    assert frame_quality(flat(value)).score == 0


def test_every_measure_lies_between_nothing_and_one(real_frame: Picture) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (360, 640, 3), dtype=np.uint8)

    for picture in (real_frame, noise, flat(3)):
        quality = frame_quality(picture)
        assert all(0 <= value <= 1 for value in (*vars(quality).values(), quality.score))


def test_a_frame_of_two_pixels_can_be_judged() -> None:
    assert frame_quality(np.zeros((1, 2, 3), dtype=np.uint8)).score == 0


def test_the_first_frame_is_left_out_where_there_are_others(real_frame: Picture) -> None:
    assert [frame.at_seconds for frame in judge_frames([real_frame] * 3, [0.0, 1.0, 2.0])] == [1.0, 2.0]
    assert [frame.at_seconds for frame in judge_frames([real_frame], [0.0])] == [0.0]


def judged(scores: list[float]) -> list[JudgedFrame]:
    return [
        JudgedFrame(index, float(index), FrameQuality(sharpness=score, exposure=1, contrast=1, colourfulness=score))
        for index, score in enumerate(scores)
    ]


def test_the_best_frames_are_spread_over_time() -> None:
    frames = judged([0.1] * 20 + [0.9, 0.95, 0.9] + [0.2] * 20)

    best = best_frames(frames, 4)

    assert best[0].index == 21
    times = sorted(frame.at_seconds for frame in best)
    assert len(times) == 4
    assert min(after - before for before, after in pairwise(times)) >= 42 / 8


def test_few_frames_are_all_kept_best_first() -> None:
    assert [frame.index for frame in best_frames(judged([0.2, 0.9, 0.5]), 12)] == [1, 2, 0]


def test_raw_pictures_are_counted_by_the_size_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(range(24)) + b"half")

    assert raw_pictures(tmp_path / "raw", 2, 2).shape == (2, 2, 2, 3)
    assert len(raw_pictures(tmp_path / "missing", 2, 2)) == 0


def test_a_written_jpeg_looks_like_the_picture(tmp_path: Path, real_frame: Picture) -> None:
    write_jpeg(real_frame, tmp_path / "frame.jpg")

    read = cv2.imread(str(tmp_path / "frame.jpg"))
    assert read is not None
    assert cv2.PSNR(read, real_frame) > 30


@pytest.fixture(scope="module")
def counting_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of 25 greys, each 8 brighter than the one before, coded as our rungs are."""
    target = tmp_path_factory.mktemp("clip") / "greys.mp4"
    source = "color=black:s=64x48:r=25:d=1,geq=lum='16+8*N':cb=128:cr=128,setparams=colorspace=bt709:range=tv"
    run_ffmpeg(
        ["-f", "lavfi", "-i", source, "-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p", str(target)],
        tools=find_tools(),
        log_path=target.with_suffix(".log"),
    )
    return target


@pytest.mark.parametrize(("at_seconds", "frame"), [(0.0, 0), (10 / 25, 10), (0.41, 11), (24 / 25, 24), (99.0, 24)])
def test_the_frame_of_a_time_is_taken(counting_clip: Path, tmp_path: Path, at_seconds: float, frame: int) -> None:
    target = tmp_path / "still.jpg"

    extract_frame(counting_clip, at_seconds, target, find_tools(), log_path=tmp_path / "log", limits=Limits())

    picture = cv2.imread(str(target), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert picture.shape == (48, 64)
    assert np.mean(picture) == pytest.approx(8 * frame * 255 / 219, abs=4)


def test_a_file_that_is_no_video_gives_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("nothing here")

    with pytest.raises(EncodeFailedError):
        extract_frame(tmp_path / "no.mp4", 0, tmp_path / "x.jpg", find_tools(), log_path=tmp_path / "log")
