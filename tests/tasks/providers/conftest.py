"""Media as providers make and take it."""

from pathlib import Path

import pytest
from PIL import Image

from tasks.media.process import run_ffmpeg
from tasks.media.tools import find_tools


@pytest.fixture(scope="session")
def made_video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of real video, as a provider would make it."""
    folder = tmp_path_factory.mktemp("made")
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=1"]
    arguments = [*source, "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(folder / "made.mp4")]
    run_ffmpeg(arguments, tools=find_tools(), log_path=folder / "log")
    return (folder / "made.mp4").read_bytes()


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of the user's own, neither of the shape nor of the size of any video."""
    path = tmp_path_factory.mktemp("own") / "cat.jpg"
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(path)
    return path
