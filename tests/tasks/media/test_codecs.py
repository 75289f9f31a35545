import re
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.domain.publications import Package
from data.domain.recipes import Codec, GateOptions, Recipe
from tasks.media.checks import check_candidate
from tasks.media.codecs import SOFTWARE, RungTarget, encoder_crf, rung_options
from tasks.media.playlists import media_playlist, variants
from tasks.media.tools import find_tools
from tests.fakes.packages import make_package
from tests.fakes.vmaf import vmaf

CODECS: tuple[Codec, ...] = ("h264", "hevc", "av1", "vp9")
STRINGS = {
    "h264": r"avc1\.[0-9a-f]{6}",
    "hevc": r"hvc1\.1\.6\.L\d+\.90",
    "av1": r"av01\.0\.\d{2}M\.08\.0\.110\.01\.01\.01\.0",
    "vp9": r"vp09\.00\.\d{2}\.08\.01\.01\.01\.01\.00",
}
FRAMES = 60
TARGET = RungTarget(crf=23, max_kbps=400, keyframe_times="expr:1", keyframe_frames=24, threads=2)
SMALL = Recipe.parse(
    {
        "video": {
            "preset": "ultrafast",
            "crf": 18,
            "segment_seconds": 1,
            "ladder": {
                "rungs": [
                    {"name": "180p", "short_side": 180, "max_kbps": 2000},
                    {"name": "90p", "short_side": 90, "max_kbps": 500},
                ]
            },
        }
    }
)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 60 frames at 24000/1001, each of which shows its own number as a row of eight black or white fields."""
    path = tmp_path_factory.mktemp("counted") / "clip.mp4"
    fields = "+".join(f"eq(floor(X/40),{bit})*mod(floor(N/{2**bit}),2)" for bit in range(8))
    picture = f"nullsrc=s=320x180:r=24000/1001,format=gray,geq=lum='235*({fields})+16',format=yuv420p"
    sound = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000")
    command = [find_tools().ffmpeg, "-v", "error", "-f", "lavfi", "-i", picture, *sound, "-frames:v", str(FRAMES)]
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-c:a", "aac", "-shortest", "-t", "2.5025")
    subprocess.run([*command, *encoder, path], check=True, timeout=60)
    return path


def numbers(video: Path) -> list[int]:
    """Return the numbers that the frames of a video show."""
    opened, found = cv2.VideoCapture(str(video)), []
    while True:
        is_there, frame = opened.read()
        if not is_there:
            return found
        row = np.asarray(frame).mean(axis=(0, 2)).reshape(8, -1).mean(axis=1)
        found.append(sum(2**bit for bit, light in enumerate(row) if light > 127))


def decoded(video: Path, scratch: Path) -> Path:
    """Return a video that OpenCV reads whatever the codec of the first."""
    target = scratch / "decoded.mp4"
    lossless = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")
    subprocess.run([find_tools().ffmpeg, "-v", "error", "-y", "-i", video, "-an", *lossless, target], check=True)
    return target


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_keeps_every_frame_in_segments_that_begin_together(
    codec: Codec, counted: Path, tmp_path: Path
) -> None:
    package, facts, directory = make_package(counted, tmp_path, SMALL.with_overrides({"video.codec": codec}))

    gate = check_candidate(directory, package, facts, GateOptions(), tools=find_tools(), scratch=tmp_path)
    assert [check for check in gate.checks if check.outcome != "passed"] == []
    for rendition in package.renditions:
        assert rendition.frame_count == FRAMES
        assert re.fullmatch(STRINGS[codec], rendition.codec)
        playlist = media_playlist((directory / rendition.playlist_path).read_text())
        assert [segment.seconds for segment in playlist.segments] == [1.001, 1.001, pytest.approx(0.5005, abs=0.001)]
    for shown in (directory / package.mp4_path, directory / package.renditions[-1].playlist_path):
        assert numbers(decoded(shown, tmp_path)) == list(range(FRAMES))
    assert_playlists_agree(package, directory)


def assert_playlists_agree(package: Package, directory: Path) -> None:
    """HLS and DASH call the codecs by the same names, and the sound by its own."""
    offered = variants((directory / package.master_path).read_text())
    assert all(variant.codecs[1] == "mp4a.40.2" for variant in offered)
    described = (directory / package.dash_path).read_text()
    assert {f'codecs="{rendition.codec}"' in described for rendition in package.renditions} == {True}


def test_hevc_is_tagged_as_apples_players_want_it(counted: Path, tmp_path: Path) -> None:
    package, _, directory = make_package(counted, tmp_path, SMALL.with_overrides({"video.codec": "hevc"}))

    assert b"hvc1" in (directory / package.mp4_path).read_bytes()
    assert b"hev1" not in (directory / package.mp4_path).read_bytes()
    assert not any(b"x265" in path.read_bytes() for path in (directory / "180p").iterdir())


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_given_cap_keyframes_and_threads(codec: Codec) -> None:
    options = rung_options(SOFTWARE[codec], "veryfast", TARGET)

    assert (options["maxrate"], options["bufsize"]) == ("400k", "800k")
    assert (options["force_key_frames"], options["g"], options["threads"]) == ("expr:1", 24, 2)
    assert options["flags:v"] == "+bitexact"


def test_x264_is_told_what_it_always_was() -> None:
    assert rung_options(SOFTWARE["h264"], "veryfast", TARGET) == {
        "c:v": "libx264",
        "flags:v": "+bitexact",
        "preset": "veryfast",
        "crf": 23,
        "maxrate": "400k",
        "bufsize": "800k",
        "force_key_frames": "expr:1",
        "sc_threshold": 0,
        "g": 24,
        "threads": 2,
    }


@pytest.mark.parametrize("codec", CODECS)
def test_quality_falls_with_the_crf_and_stays_on_the_scale(codec: Codec) -> None:
    scale = [encoder_crf(codec, crf) for crf in range(10, 46)]

    assert scale == sorted(scale)
    assert 1 <= scale[0] < scale[-1] <= (63 if codec in ("av1", "vp9") else 51)


@pytest.mark.slow
def test_every_codec_looks_about_as_good_at_the_same_crf(tmp_path: Path, photographed: Path) -> None:
    scores = {}
    for codec in CODECS:
        recipe = SMALL.with_overrides({"video.codec": codec, "video.crf": 26, "video.preset": "veryfast"})
        package, _, _ = make_package(photographed, tmp_path / codec, recipe)
        top = package.renditions[0]
        rung = tmp_path / codec / "scratch" / "rung-180p.mp4"
        scores[codec] = vmaf(rung, photographed, (top.width, top.height), tmp_path)

    assert all(abs(score - scores["h264"]) < 6 for score in scores.values()), scores
