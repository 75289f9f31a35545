"""`make gallery`: what recipes do, in pictures: real clips go through a stack of its own, as jobs over the API.

Each picture of `.github/gallery/` shows a frame of the source on the left and the same moment of the published video on
the right. The README shows them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from deployments.environment import isolated
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.job_client import Job, JobClient
from tests.fakes.vtest import vtest

Picture = NDArray[np.uint8]

FOLDER = Path(__file__).resolve().parents[1] / ".github" / "gallery"
_HEIGHT = 300
_GAP = 8
_JPEG_QUALITY = 84
INSET = "inset.mp4"
"""Stands in overrides for a further clip."""
_FAST = {"captions.enabled": False, "chapters.enabled": False, "poster.faces": False}


def downloaded_frame(jobs: JobClient, url: str, at_seconds: float) -> Picture:
    """Return the frame of a published MP4 at a time."""
    answer = jobs.http.get(url, follow_redirects=True)
    answer.raise_for_status()
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(answer.content)
        file.flush()
        return frame_of(Path(file.name), at_seconds)


def frame_of(path: Path, at_seconds: float) -> Picture:
    """Return the frame of a file at a time, BGR."""
    capture = cv2.VideoCapture(str(path))
    try:
        capture.set(cv2.CAP_PROP_POS_MSEC, at_seconds * 1000)
        there, picture = capture.read()
    finally:
        capture.release()
    assert there, f"{path.name} has no frame at {at_seconds} s"
    return np.asarray(picture, dtype=np.uint8)


def published_frame(jobs: JobClient, job: Job, at_seconds: float) -> Picture:
    """Return the frame of the published video at a time."""
    return downloaded_frame(jobs, jobs.publication(job)["urls"]["mp4"], at_seconds)


@dataclass(frozen=True)
class Exhibit:
    """One picture of the gallery."""

    name: str
    source: Callable[[], Path]
    recipe: str
    cut: tuple[float, float]
    """The part of the clip that is taken: begin and length in seconds."""
    at_seconds: float
    """The moment that is shown, in that part."""
    overrides: dict[str, Any] = field(default_factory=dict)
    size: str = "-2:720"
    """Of the source, as ffmpeg's filter `scale` takes it."""
    after: Callable[[JobClient, Job, float], Picture] = published_frame


def side_by_side(before: Picture, after: Picture) -> Picture:
    """Return both at one height, the source on the left."""
    parts = [cv2.resize(each, _fitted(each), interpolation=cv2.INTER_AREA) for each in (before, after)]
    gap = np.full((_HEIGHT, _GAP, 3), 255, dtype=np.uint8)
    return np.asarray(np.hstack([parts[0], gap, parts[1]]), dtype=np.uint8)


def _fitted(picture: Picture) -> tuple[int, int]:
    height, width = picture.shape[:2]
    return max(1, round(width * _HEIGHT / height)), _HEIGHT


def annotated_frame(jobs: JobClient, job: Job, at_seconds: float) -> Picture:
    """Return the frame of the annotated video at a time."""
    found = jobs.publication(job)["analysis"]
    return downloaded_frame(jobs, found["urls"]["annotated"], at_seconds)


EXHIBITS: tuple[Exhibit, ...] = (
    Exhibit("vertical", partial(clip, "trailer_bbb"), "vertical", (20, 6), 3.0),
    Exhibit("anonymous", partial(clip, "face_noface"), "anonymous", (0, 4), 1.0, _FAST, size="-2:540"),
    Exhibit("square", partial(clip, "trailer_bbb"), "square", (34, 4), 2.0, _FAST),
    Exhibit(
        "branded",
        partial(clip, "bbb"),
        "default",
        (150, 6),
        3.0,
        {
            **_FAST,
            "edit.watermark": {"text": "Dailies", "position": "bottom_right", "size": 0.09},
            "edit.picture_in_picture": {"source": INSET, "position": "top_right", "size": 0.34},
        },
    ),
    Exhibit("analysed", vtest, "analysed", (8, 12), 9.0, _FAST, size="768:576", after=annotated_frame),
)


def cut_out(source: Path, part: tuple[float, float], size: str, target: Path) -> Path:
    """Write a part of a clip (begin and length in seconds) at a size."""
    command = [
        str(find_tools().ffmpeg),
        "-v",
        "error",
        "-y",
        "-ss",
        str(part[0]),
        "-i",
        str(source),
        "-t",
        str(part[1]),
    ]
    command += ["-vf", f"scale={size}", "-c:v", "libx264", "-crf", "14", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run([*command, str(target)], check=True)
    return target


def make(exhibit: Exhibit, jobs: JobClient, media: Path) -> Path:
    """Have a job done, and write its picture."""
    source = cut_out(exhibit.source(), exhibit.cut, exhibit.size, media / f"{exhibit.name}.mp4")
    inset = cut_out(clip("bikes"), (2, 6), "-2:360", media / "inset.mp4")
    overrides = json.loads(json.dumps(exhibit.overrides).replace(INSET, str(inset)))
    job = jobs.succeed(str(source), recipe=exhibit.recipe, overrides=overrides)
    after = exhibit.after(jobs, job, exhibit.at_seconds)
    target = FOLDER / f"{exhibit.name}.jpg"
    picture = side_by_side(frame_of(source, exhibit.at_seconds), after)
    target.write_bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes())
    return target


def main() -> int:
    """Make the pictures."""
    parser = argparse.ArgumentParser(prog="make gallery", description=__doc__)
    parser.add_argument("names", nargs="*", help="which ones (default: all)")
    wanted = parser.parse_args().names
    console = Console()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dailies-gallery-") as folder:
        home, media = Path(folder) / "home", Path(folder) / "media"
        for each in (Path(folder), home, media):
            each.mkdir(exist_ok=True)
            each.chmod(0o755)  # Postgres does not run as root, and looks from the top
        settings = {"DAILIES_INGEST__ALLOWED_ROOTS": json.dumps([str(media)])}
        with Stack(home, environment={**isolated(), **settings}) as stack:
            jobs = JobClient(stack.api_url)
            for exhibit in EXHIBITS:
                if not wanted or exhibit.name in wanted:
                    console.print(f"{exhibit.name}: {make(exhibit, jobs, media).stat().st_size / 1000:.0f} kB")
            jobs.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
