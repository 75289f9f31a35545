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


def made(target: Path, *colours: str) -> Clip:
    """Two seconds of a coloured picture in which every frame is another one."""
    command = [TOOLS.ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=256x144:rate=10:duration=2"]
    command += [*colours, "-c:v", "libx264", "-qp", "4", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, target], check=True)
    return Clip(target, probe(target, TOOLS))


@pytest.mark.parametrize(
    ("matrix", "label"), [("bt709", "bt709"), ("bt601", "smpte170m"), ("bt709", "bt2020nc")], ids=["709", "601", "2020"]
)
def test_planes_are_shown_in_the_colours_that_pictures_have(tmp_path: Path, matrix: str, label: str) -> None:
    video = made(tmp_path / "v.mp4", "-vf", f"scale=out_color_matrix={matrix}:out_range=tv", "-colorspace", label)
    context = DecodeContext(TOOLS)
    with (
        decoded_planes(video, SIZE, context, tmp_path / "a.log") as planes,
        decoded_pictures(video, SIZE, context, tmp_path / "b.log") as pictures,
    ):
        pairs = [(shown(plane, is_bt709=is_bt709(video.facts)), picture) for plane, picture in zip(planes, pictures)]

    assert len(pairs) == 20
    if label != "bt2020nc":  # shown as if it were another's, which is told apart by nobody who only looks for motion
        assert np.mean([np.abs(one.astype(int) - other).mean() for one, other in pairs]) < 6


@pytest.mark.parametrize("step", [1, 3, 7])
def test_of_every_few_frames_the_first_is_given(tmp_path: Path, step: int) -> None:
    video = made(tmp_path / "v.mp4")

    def all_of(step: int) -> list[bytes]:
        with decoded_planes(video, SIZE, DecodeContext(TOOLS), tmp_path / "log", step) as planes:
            return [each.tobytes() for each in planes]

    assert all_of(step) == all_of(1)[::step]
