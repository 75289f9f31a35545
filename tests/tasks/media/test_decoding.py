"""Small frames as they are coded: with right colours, in right numbers."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tasks.media.decoding import Clip, DecodeContext, decoded_pictures, decoded_planes
from tasks.media.frames import shown
from tasks.media.normalise import is_bt709
from tasks.media.probe import probe
from tasks.media.tools import find_tools

TOOLS = find_tools()
SIZE = (128, 72)


def made(target: Path, picture: str, *colours: str, size: str = "256x144") -> Clip:
    """Two seconds of a picture."""
    command = [TOOLS.ffmpeg, "-v", "error", "-f", "lavfi", "-i", f"{picture}=size={size}:rate=10", "-t", "2"]
    command += [*colours, "-c:v", "libx264", "-qp", "4", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, target], check=True)
    return Clip(target, probe(target, TOOLS))


@pytest.mark.parametrize(("matrix", "label"), [("bt709", "bt709"), ("bt601", "smpte170m")])
def test_planes_are_shown_in_the_colours_that_pictures_have(tmp_path: Path, matrix: str, label: str) -> None:
    coded = ("-vf", f"scale=out_color_matrix={matrix}:out_range=tv", "-colorspace", label)
    video, context = made(tmp_path / "v.mp4", "smptebars", *coded), DecodeContext(TOOLS)
    with decoded_planes(video, SIZE, context, tmp_path / "a.log") as planes:
        small = next(planes)
    with decoded_pictures(video, SIZE, context, tmp_path / "b.log") as pictures:
        right = next(pictures).astype(int)

    ours, others = (shown(small, is_bt709=each) for each in (is_bt709(video.facts), not is_bt709(video.facts)))
    assert np.median(np.abs(ours - right)) <= 2
    assert np.abs(others - right).mean() > 2 * np.abs(ours - right).mean()


@pytest.mark.parametrize("size", ["768x432", "1920x1080"])
def test_a_large_picture_is_as_light_where_every_other_line_is_read(tmp_path: Path, size: str) -> None:
    video, context = made(tmp_path / "v.mp4", "mandelbrot", size=size), DecodeContext(TOOLS)
    with decoded_planes(video, SIZE, context, tmp_path / "a.log") as planes:
        light = next(planes)[: SIZE[1]].astype(int)
    command = [TOOLS.ffmpeg, "-v", "error", "-i", video.path, "-frames:v", "1", "-pix_fmt", "yuv420p"]
    command += ["-vf", f"scale={SIZE[0]}:{SIZE[1]}:flags=area:out_range=tv", "-f", "rawvideo", "-"]
    answer = subprocess.run(command, check=True, capture_output=True).stdout
    whole = np.frombuffer(answer, np.uint8, SIZE[0] * SIZE[1]).reshape(SIZE[::-1])

    assert np.abs(light - whole).mean() < 1
    assert np.abs(light - np.roll(whole, 1, axis=0)).mean() > 2  # a line too low is more than that


@pytest.mark.parametrize("step", [1, 3, 7])
def test_of_every_few_frames_the_first_is_given(tmp_path: Path, step: int) -> None:
    video = made(tmp_path / "v.mp4", "testsrc2")

    def all_of(step: int) -> list[bytes]:
        with decoded_planes(video, SIZE, DecodeContext(TOOLS), tmp_path / "log", step) as planes:
            return [each.tobytes() for each in planes]

    assert all_of(step) == all_of(1)[::step]
