"""Every clip and every nasty input through the whole product at once: published, or refused with a typed reason."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.job_client import Job, JobClient
from tests.fakes.nasty_inputs import NastyInput, build_nasty_inputs, watched_canaries
from tests.fakes.stack_processes import encoders

pytestmark = pytest.mark.slow

LOOKED_AT = {"analysis.enabled": True, "analysis.fps": 4, "analysis.max_frames": 16, "analysis.annotate": False}
QUICK = {"video.preset": "ultrafast"}
CLIPS = (
    "trailer_bbb",
    "bigbuckbunny",
    "bikes",
    "carphone_pristine",
    "carphone_distorted",
    "a",
    "world",
    "face_noface",
    "noface_face",
    "single_face_video",
    "no_face_video",
)
NEVER_RETRIED = 1
SECONDS_FOR_ALL = 900


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[JobClient]:
    client = JobClient(stack.api_url)
    yield client
    client.close()


@pytest.mark.timeout(SECONDS_FOR_ALL)
def test_every_clip_and_every_nasty_input_ends_as_it_should(
    jobs: JobClient, stack: Stack, media_root: Path, wait_until: Callable[..., None]
) -> None:
    directory = media_root / "inputs"
    directory.mkdir()
    for name in CLIPS:
        (directory / clip(name).name).write_bytes(clip(name).read_bytes())
    with watched_canaries(media_root) as canaries:
        nasty = build_nasty_inputs(directory, find_tools().ffmpeg, canaries)
        submitted = {name: jobs.submit(str(directory / clip(name).name), overrides=QUICK) for name in CLIPS}
        takable = {name: each for name, each in nasty.items() if each.path.name.isprintable()}
        submitted |= {name: jobs.submit(str(each.path), overrides=QUICK | LOOKED_AT) for name, each in takable.items()}
        ended = {name: jobs.wait(job_id, SECONDS_FOR_ALL) for name, job_id in submitted.items()}

        assert canaries.opened == []

    for name in nasty.keys() - takable.keys():
        refused = jobs.http.post("/api/v1/jobs", json={"source": str(nasty[name].path)})
        assert refused.json()["code"] == "DATA.SOURCE.FORBIDDEN", name
    problems = [problem for name, job in ended.items() if (problem := _problem(jobs, name, job, nasty))]
    assert problems == [], "\n".join(problems)
    scratch = stack.home / "scratch"
    wait_until(lambda: not encoders(stack.stack_id), 5, "every encoder to be gone")
    assert [path for path in scratch.iterdir() if path.is_dir()] == []


def _problem(jobs: JobClient, name: str, job: Job, nasty: dict[str, NastyInput]) -> str | None:
    """Say what is wrong with how a job ended, or ``None``."""
    said = f"{name}: {job['state']} ({job['reason']}) {job['message']}"
    if job["state"] == "succeeded":
        allowed = name in CLIPS or "published" in nasty[name].endings
        is_whole = jobs.publication(job)["renditions"] and (name in CLIPS or _is_looked_at(jobs, job))
        return None if allowed and is_whole else said
    codes = [getattr(ending, "code", "") for ending in nasty[name].endings] if name in nasty else []
    is_expected = job["state"] == "failed" and job["reason"] in codes and job["attempt"] == NEVER_RETRIED
    return None if is_expected else said


def _is_looked_at(jobs: JobClient, job: Job) -> bool:
    """Say whether there is a row of telemetry for each frame that was looked at, and events are told of it alone."""
    found = jobs.http.get(f"/api/v1/assets/{job['asset_id']}/analysis").json()
    rows = jobs.http.get(found["urls"]["frames_csv"]).text.splitlines()[1:]
    events = jobs.http.get(f"/api/v1/jobs/{job['id']}/events").json()["items"]
    is_within = all(0 <= each["at_seconds"] <= found["summary"]["duration_seconds"] + 0.1 for each in events)
    return is_within and 0 < len(rows) == found["summary"]["frame_count"]
