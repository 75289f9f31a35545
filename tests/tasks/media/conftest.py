import subprocess
from pathlib import Path

import pytest

from tasks.media.tools import find_tools
from tests.fakes.clips import clip


@pytest.fixture(scope="session")
def photographed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Big Buck Bunny without sound, 5 s at 320x180, as good as it was."""
    path = tmp_path_factory.mktemp("photographed") / "clip.mp4"
    command = [find_tools().ffmpeg, "-v", "error", "-i", clip("bigbuckbunny"), "-an", "-vf", "scale=320:180"]
    subprocess.run([*command, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "6", path], check=True, timeout=60)
    return path
