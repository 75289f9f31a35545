"""What the fault suites share: a user of the API, a film of each test's own, and what is left of a job."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.job_client import JobClient


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[JobClient]:
    client = JobClient(stack.api_url)
    yield client
    client.close()


@pytest.fixture
def film(media_root: Path, request: pytest.FixtureRequest) -> Path:
    """Forty seconds of film that are this test's own, so that no other test's work is found again."""
    return own_film(media_root / f"{request.node.name}.mp4")


def own_film(target: Path, seconds: int = 40) -> Path:
    """Make a film with a title of its own, so that its bytes are too."""
    command = [find_tools().ffmpeg, "-v", "error", "-y", "-ss", "100", "-t", str(seconds), "-i", clip("bbb")]
    subprocess.run([*command, "-c", "copy", "-metadata", f"title={target.name}", target], check=True)
    return target
