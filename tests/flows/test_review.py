"""A video that moderation holds back, on the real stack: made whole, not public, until a person says so."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.stack import Stack
from flows.__main__ import main
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.job_client import JobClient

SMALL = {
    "video.preset": "ultrafast",
    "video.ladder": {"rungs": [{"name": "480p", "short_side": 480, "max_kbps": 900}]},
    "captions.language": "en",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[JobClient]:
    client = JobClient(stack.api_url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def held(jobs: JobClient, media_root: Path) -> dict:
    """A job that has ended: eight seconds of a cartoon, whose fur the model takes for skin, with real speech."""
    target = media_root / "cartoon.mp4"
    command = [find_tools().ffmpeg, "-v", "error", "-y", "-ss", "46", "-t", "8", "-i", clip("trailer_bbb")]
    command += ["-t", "8", "-i", clip("two_cities"), "-map", "0:v", "-map", "1:a", "-vf", "scale=-2:480"]
    subprocess.run([*command, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", target], check=True)
    return jobs.succeed(str(target), recipe="full", overrides=SMALL, title="Two rabbits")


def asset_of(jobs: JobClient, job: dict) -> dict:
    return jobs.http.get(f"/api/v1/assets/{job['asset_id']}").json()


def test_it_waits_then_a_person_publishes_it_and_it_is_found(
    jobs: JobClient, held: dict, stack: Stack, media_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asset = asset_of(jobs, held)
    assert (held["state"], held["reason"], held["links"]["watch"]) == ("succeeded", "review", None)
    assert asset["publication"] is None
    candidate = asset["candidate"]
    assert candidate["state"] == "waiting"
    assert candidate["score"] >= 0.5
    assert jobs.http.get(candidate["worst"][0]["url"]).content.startswith(b"\xff\xd8")
    assert jobs.http.get("/api/v1/search", params={"q": "rabbits"}).json()["items"] == []

    again = jobs.succeed(str(media_root / "cartoon.mp4"), recipe="full", overrides=SMALL, title="Two rabbits")
    assert again["reason"] == "review"
    assert asset_of(jobs, held)["candidate"]["job_id"] == held["id"]

    assert main(["asset", "approve", held["asset_id"], "--reason", "A cartoon.", "--api", stack.api_url]) == 0
    publication = asset_of(jobs, held)["publication"]
    assert publication["version"] == 1
    assert publication["approval"]["reason"] == "A cartoon."
    text = jobs.http.get(publication["urls"]["text"]).json()
    assert any("Revenge" in line["text"] for line in text["lines"])
    assert [track["language"] for track in publication["captions"]] == ["en"]

    words = jobs.http.get("/api/v1/search", params={"q": "age of foolishness"}).json()["items"]
    shown = jobs.http.get("/api/v1/search", params={"q": "revenge", "kind": "text"}).json()["items"]
    assert words[0]["kind"] == "speech"
    assert "foolishness" in words[0]["snippet"]
    assert shown[0]["asset_id"] == held["asset_id"]

    final = jobs.succeed(str(media_root / "cartoon.mp4"), recipe="full", overrides=SMALL, title="Two rabbits")
    assert (final["reason"], asset_of(jobs, held)["publication"]["version"]) == (None, 1)


def test_what_was_taken_down_comes_back_only_when_a_person_says_so(
    jobs: JobClient, held: dict, media_root: Path
) -> None:
    url = f"/api/v1/assets/{held['asset_id']}"
    jobs.http.post(f"{url}/publish", json={})
    version = jobs.http.get(url).json()["publication"]["version"]
    jobs.http.post(f"{url}/retract", json={"by": "Ann", "version": version, "reason": "Rights."}).raise_for_status()

    job = jobs.succeed(str(media_root / "cartoon.mp4"), recipe="quick", title="Two rabbits")

    asset = jobs.http.get(url).json()
    assert job["reason"] == "review"
    assert asset["publication"] is None
    assert "Ann took version" in asset["candidate"]["why"]
