"""A real S3 server, started once when the first test asks for it, and media as providers make and take it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tasks.media.process import run_ffmpeg
from tasks.media.tools import find_tools
from tests.fakes.postgres_server import PostgresServer, postgres_server
from tests.fakes.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server("camera") as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


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
