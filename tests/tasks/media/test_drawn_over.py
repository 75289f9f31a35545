"""A video that is drawn on keeps its frames, its time and its sound."""

import subprocess
from pathlib import Path

import av
import numpy as np

from tasks.media.decoding import Clip
from tasks.media.drawn_over import DrawnOver, write_drawn_over
from tasks.media.frames import Picture
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools

TOOLS = find_tools()


def made(folder: Path) -> Clip:
    target = folder / "source.mp4"
    command = [TOOLS.ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25:duration=2"]
    command += ["-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-c:v", "libx264", "-preset", "ultrafast"]
    subprocess.run([*command, "-pix_fmt", "yuv420p", "-c:a", "aac", target], check=True)
    return Clip(target, probe(target, TOOLS))


def blackened(number: int, picture: Picture) -> Picture:
    picture[:90] = 0
    return picture


def test_each_frame_is_drawn_on_and_none_is_lost(tmp_path: Path) -> None:
    clip, target = made(tmp_path), tmp_path / "drawn.mp4"

    count = write_drawn_over(
        DrawnOver(clip, clip, (160, 90)),
        lambda number, picture: blackened(number, picture) if number % 2 else picture,
        target,
        scratch=tmp_path,
        tools=TOOLS,
        threads=1,
        limits=Limits(),
    )

    with av.open(str(target)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert count == len(frames) == clip.frame_count == 50
    brightness = [float(np.mean(frame[:40])) for frame in frames]
    assert max(brightness[1::2]) < 10 < min(brightness[0::2])
    facts = probe(target, TOOLS)
    assert (facts.video.codec, facts.audio.codec if facts.audio else "") == ("h264", "aac")
    assert abs(facts.duration_seconds - clip.duration_seconds) < 0.1
    assert target.read_bytes().index(b"moov") < target.read_bytes().index(b"mdat")  # plays before it is whole


def test_without_sound_there_is_none(tmp_path: Path) -> None:
    clip, target = made(tmp_path), tmp_path / "drawn.mp4"

    write_drawn_over(
        DrawnOver(clip, None, clip.size), blackened, target, scratch=tmp_path, tools=TOOLS, threads=1, limits=Limits()
    )

    assert probe(target, TOOLS).audio is None
