"""An intro and a watermark through the whole stack; the same files at another place cost no second encode."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deployments.stack import Stack
from tasks.media.content_credentials import read_credentials
from tests.fakes.job_client import JobClient
from tests.fakes.pictures import frame
from tests.fakes.screening import make_clip
from tests.fakes.similarity import ssim

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[JobClient]:
    client = JobClient(stack.api_url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def folder(media_root: Path) -> Path:
    folder = media_root / "edit inputs"
    folder.mkdir()
    make_clip(folder / "own.mkv", "testsrc2=s=320x180:r=25:d=2", "sine=440:d=2:r=48000")
    make_clip(folder / "intro.mkv", "testsrc=s=320x180:r=25:d=1")
    Image.new("RGBA", (64, 64), (255, 255, 255, 255)).save(folder / "mark.png")
    return folder


def test_an_intro_and_a_watermark_are_published_and_found_again_by_their_content(
    jobs: JobClient, folder: Path, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    edit = {"watermark.position": "top_left", "watermark.size": 0.25, "watermark.opacity": 1.0, "watermark.margin": 0}
    options = {f"edit.{name}": value for name, value in edit.items()}
    files = {"edit.watermark.source": f"{folder}/mark.png", "edit.join.intro": f"{folder}/intro.mkv"}

    job = jobs.succeed(f"{folder}/own.mkv", recipe="quick", overrides={**options, **files}, title="edited")

    publication = jobs.publication(job)
    assert publication["duration_seconds"] == pytest.approx(3, abs=0.04)
    film = tmp_path / "film.mp4"
    film.write_bytes(jobs.http.get(publication["urls"]["mp4"]).content)
    assert ssim(frame(folder / "intro.mkv", 12), frame(film, 12)) >= 0.98
    assert np.median(frame(film, 50)[8:72, 8:72]) >= 250
    assert read_credentials(film).sources == ("Source", "Watermark", "Intro")

    moved = {}
    for name, path in files.items():
        copy = shutil.copy(path, folder / f"copy of {Path(path).name}")
        moved[name] = str(copy)
    again = jobs.succeed(f"{folder}/own.mkv", recipe="quick", overrides={**options, **moved}, title="edited")

    wait_until(lambda: "Nothing to publish" in jobs.log_text(again["id"]), 10, "the last lines of the log to arrive")
    assert "Nothing to encode" in jobs.log_text(again["id"])


def test_a_picture_that_is_none_fails_the_job_and_names_its_field(
    jobs: JobClient, folder: Path, wait_until: Callable[..., None]
) -> None:
    (folder / "text.png").write_text("It was the best of times.\n" * 10)

    job = jobs.process(f"{folder}/own.mkv", recipe="quick", overrides={"edit.watermark.source": f"{folder}/text.png"})

    assert job["state"] == "failed"
    assert job["reason"] == "DATA.INPUT.NOT_MEDIA"
    wait_until(lambda: "edit.watermark.source" in jobs.log_text(job["id"]), 10, "the refusal to be in the log")
