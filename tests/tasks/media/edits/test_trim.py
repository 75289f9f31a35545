import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data.domain.edits import TrimOptions
from data.domain.errors import EditImpossibleError
from tasks.media.edits import trim
from tasks.media.tools import find_tools
from tests.fakes.footage import edited, keeps_its_promise, make_clip
from tests.fakes.shapes import shape_of

LONG_GOP = ("-c:v", "libx264", "-preset", "veryfast", "-g", "500", "-bf", "3", "-pix_fmt", "yuv420p")
SHORT_GOP = ("-c:v", "libx264", "-preset", "veryfast", "-g", "10", "-bf", "2", "-pix_fmt", "yuv420p")
GAPS = ("-vf", "select='not(between(n,30,110))+eq(n,70)'", "-fps_mode", "vfr")
CLIPS = {
    "long.mp4": (*LONG_GOP, "-c:a", "aac"),
    "short.mkv": (*SHORT_GOP, "-c:a", "pcm_s16le"),
    "stream.ts": (*LONG_GOP, "-c:a", "aac", "-output_ts_offset", "50"),
    "old.avi": ("-c:v", "mpeg4", "-g", "60", "-c:a", "pcm_s16le"),
    "pieces.mp4": (*SHORT_GOP, "-movflags", "frag_keyframe+empty_moov", "-c:a", "aac"),
    "late.mp4": ("-vf", "setpts=PTS+0.6/TB", *LONG_GOP, "-c:a", "aac"),
    "late.mkv": ("-vf", "setpts=PTS+0.6/TB", *SHORT_GOP, "-c:a", "flac"),
    "variable.mkv": (*GAPS, *LONG_GOP, "-c:a", "flac"),
}
SAME_SECONDS = 0.003


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trim")


def made(folder: Path, name: str) -> Path:
    """Six seconds of numbered frames, and a tone that rises."""
    target = folder / name
    if name == "cut.mp4" and not target.exists():
        # A stream copy from the middle of a group of pictures: what comes before is hidden by an edit list.
        cut = ["-ss", "0.8", "-i", made(folder, "long.mp4"), "-c", "copy", target]
        subprocess.run([find_tools().ffmpeg, "-v", "error", "-nostdin", "-y", *cut], check=True, timeout=60)
    if name == "live.webm" and not target.exists():
        # As a browser records: without an index, and without a duration.
        vp8 = [*("-c:v", "libvpx", "-deadline", "realtime", "-g", "50", "-c:a", "libopus", "-f", "webm", "-")]
        command = [find_tools().ffmpeg, "-v", "error", "-nostdin", "-i", made(folder, "short.mkv"), *vp8]
        with target.open("wb") as stream:
            subprocess.run(command, check=True, timeout=60, stdout=stream)
    if not target.exists():
        sound = "aevalsrc='0.8*sin(2*PI*(100+50*t)*t)':s=48000:d=6"
        make_clip(target, "testsrc2=s=64x48:r=25:d=6", sound, *CLIPS[name])
    return target


def heard_apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return by how many seconds a sound comes later than another."""
    length = 2 * len(one)
    product = np.fft.rfft(one[:, 0], length) * np.conj(np.fft.rfft(other[:, 0], length))
    place = int(np.argmax(np.fft.irfft(product)))
    return (place if place < len(one) else place - length) / 48_000


@pytest.mark.parametrize("name", [*CLIPS, "cut.mp4", "live.webm"])
def test_a_part_is_what_the_whole_shows_and_says_at_that_time(folder: Path, name: str) -> None:
    source = made(folder, name)
    whole, _ = edited(source, {})
    assert whole.sound is not None

    for start, end in ((0, 1.2), (3.52, 4.2), (4.0, None)):
        part, shape = edited(source, {"trim": {"start_seconds": start, "end_seconds": end}})

        assert keeps_its_promise(part, shape)
        first = round(start * shape.frame_rate)
        assert np.array_equal(part.pictures, whole.pictures[first : first + shape.frame_count])
        assert part.sound is not None
        heard = whole.sound[round(first / shape.frame_rate * 48_000) :][: shape.sample_count]
        assert abs(heard_apart(part.sound, heard)) < SAME_SECONDS


def test_reading_begins_shortly_before_the_part() -> None:
    options = TrimOptions(start_seconds=4, end_seconds=4.4)

    kept = trim.part(options, shape_of(64, 48, frame_count=150))

    assert (kept.first_frame, kept.frame_count, kept.skipped_frames) == (100, 10, 88)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (7, None, "begins at 7 s, but the source lasts 6.000 s"),
        (1, 6.2, "ends at 6.2 s, but the source lasts 6.000 s"),
    ],
)
def test_a_trim_past_the_end_is_refused_with_its_numbers(start: float, end: float | None, said: str) -> None:
    with pytest.raises(EditImpossibleError, match=said) as refused:
        trim.outcome(TrimOptions(start_seconds=start, end_seconds=end), shape_of(64, 48, frame_count=150))

    assert refused.value.facts["duration_seconds"] == 6
    assert refused.value.facts["start_seconds"] == start


def test_an_end_may_lie_as_far_behind_the_last_frame_as_durations_are_rounded() -> None:
    shape = trim.outcome(TrimOptions(end_seconds=6.02), shape_of(64, 48, frame_count=150))

    assert shape.frame_count == 150


def test_a_moment_is_at_least_one_frame() -> None:
    shape = trim.outcome(TrimOptions(start_seconds=1, end_seconds=1.001), shape_of(64, 48, frame_count=150))

    assert shape.frame_count == 1
