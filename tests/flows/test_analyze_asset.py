"""Eyes on every frame, on a real stack: as a step of a job, and by itself, of an asset that is known."""

import io
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pandas
import pytest

from data.database import Database
from data.repositories import ArtifactRepository
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.job_client import JobClient
from tests.fakes.prefect_command import created_run, run_deployment

pytestmark = pytest.mark.slow

ZONES = [{"name": "Middle", "kind": "rectangle", "points": [[0.3, 0.0], [0.7, 1.0]]}]


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[JobClient]:
    client = JobClient(stack.api_url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def street(media_root: Path) -> Path:
    """Five seconds in which something crosses a view that rests, with a tone."""
    target = media_root / "street.mp4"
    command = [find_tools().ffmpeg, "-v", "error", "-y", "-loop", "1", "-r", "15", "-i", clip("mountain")]
    command += ["-loop", "1", "-r", "15", "-i", clip("cheetah"), "-f", "lavfi", "-i", "sine", "-filter_complex"]
    picture = "[0]scale=480:270,setsar=1[a];[1]scale=60:80,setsar=1[b];[a][b]overlay=x='-60+130*max(0,t-1)':y=150[v]"
    command += [picture, "-map", "[v]", "-map", "2:a", "-t", "5", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    command += ["-preset", "ultrafast", "-c:a", "aac"]
    subprocess.run([*command, target], check=True)
    return target


@pytest.fixture(scope="module")
def published(jobs: JobClient, street: Path) -> dict[str, Any]:
    overrides = {"analysis.enabled": True, "analysis.zones": ZONES, "analysis.detector": "motion"}
    return jobs.succeed(str(street), recipe="quick", overrides=overrides, title="Street")


def fetched(jobs: JobClient, address: str) -> bytes:
    answer = jobs.http.get(address)
    assert answer.status_code == 200, answer.text
    return answer.content


def all_events(http: httpx.Client, path: str, limit: int) -> list[dict[str, Any]]:
    """Read events page by page."""
    told, after = [], None
    while True:
        answer = http.get(path, params={"limit": limit, **({"after": after} if after else {})})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        told += page["items"]
        if (after := page["next"]) is None:
            return told


def test_what_is_published_carries_what_was_found_in_it(jobs: JobClient, published: dict[str, Any]) -> None:
    analysis = jobs.publication(published)["analysis"]

    assert not analysis["is_simulated"]
    assert analysis["track_count"] > 0
    assert analysis["event_counts"]["appear"] == analysis["track_count"]
    assert analysis["event_counts"]["enter"] == analysis["event_counts"]["leave"] == 1
    tracks = pandas.read_parquet(io.BytesIO(fetched(jobs, analysis["urls"]["telemetry"])))
    assert tracks["track"].nunique() == analysis["track_count"]
    assert (tracks[["left", "top"]] >= -0.01).all(axis=None)
    frames = pandas.read_csv(io.BytesIO(fetched(jobs, analysis["urls"]["frames_csv"])))
    assert len(frames) == jobs.publication(published)["renditions"][0]["frame_count"]
    assert fetched(jobs, analysis["urls"]["heat_map"]).startswith(b"\x89PNG")
    assert analysis["sentences"][0] in fetched(jobs, analysis["urls"]["summary_text"]).decode()


def test_the_annotated_video_has_every_frame_and_the_sound(jobs: JobClient, published: dict[str, Any]) -> None:
    publication = jobs.publication(published)

    annotated = io.BytesIO(fetched(jobs, publication["analysis"]["urls"]["annotated"]))
    with av.open(annotated) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        count = sum(1 for _ in container.decode(video=0))
    assert count == publication["renditions"][0]["frame_count"]


def test_events_are_read_page_by_page_of_the_asset_and_of_the_job(jobs: JobClient, published: dict[str, Any]) -> None:
    whole = all_events(jobs.http, f"/api/v1/assets/{published['asset_id']}/events", 200)

    assert len(whole) == sum(jobs.publication(published)["analysis"]["event_counts"].values())
    assert [event["at_seconds"] for event in whole] == sorted(event["at_seconds"] for event in whole)
    assert all_events(jobs.http, f"/api/v1/jobs/{published['id']}/events", 3) == whole


def test_an_asset_is_analysed_without_being_published_anew(
    jobs: JobClient, published: dict[str, Any], wait_until: Callable[..., None]
) -> None:
    asset = published["asset_id"]
    body = {"options": {"detector": "mock", "fps": 5, "max_frames": 10, "annotate": False}}

    job = jobs.wait(jobs.http.post(f"/api/v1/assets/{asset}/analyze", json=body).json()["id"])

    assert job["state"] == "succeeded", jobs.log_text(job["id"])
    assert [step["name"] for step in job["steps"]] == ["ingest", "analyse"]
    found = jobs.http.get(f"/api/v1/assets/{asset}/analysis").json()
    assert (found["job_id"], found["summary"]["is_simulated"]) == (job["id"], True)
    assert found["summary"]["frame_count"] <= 10
    assert found["urls"]["annotated"] is None
    assert jobs.publication(published)["version"] == 1
    again = jobs.wait(jobs.http.post(f"/api/v1/assets/{asset}/analyze", json=body).json()["id"])
    wait_until(lambda: "Nothing to do for analysis" in jobs.log_text(again["id"]), 20, "the log to arrive")
    assert all_events(jobs.http, f"/api/v1/jobs/{again['id']}/events", 200) == all_events(
        jobs.http, f"/api/v1/jobs/{job['id']}/events", 200
    )


def test_prefect_users_have_a_source_analysed_from_the_command_line(
    stack: Stack, jobs: JobClient, street: Path
) -> None:
    options = {"detector": "mock", "fps": 2, "max_frames": 4, "annotate": False}

    ran = run_deployment(stack, "analyze-asset/on-demand", f"source={street}", f"options={json.dumps(options)}")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    run_id = created_run(ran)
    job = jobs.job(run_id)
    assert (job["state"], [step["name"] for step in job["steps"]]) == ("succeeded", ["ingest", "analyse"])
    found = jobs.http.get(f"/api/v1/assets/{job['asset_id']}/analysis").json()
    assert (found["job_id"], found["summary"]["is_simulated"]) == (run_id, True)


def test_a_detector_that_is_not_there_is_said(jobs: JobClient, published: dict[str, Any]) -> None:
    address = f"/api/v1/assets/{published['asset_id']}/analyze"
    body = {"options": {"detector": "onnx", "model": "nothing"}}

    job = jobs.wait(jobs.http.post(address, json=body).json()["id"])

    assert (job["state"], job["reason"]) == ("failed", "INFRA.MODEL.MISSING")
    assert "DAILIES_MODELS__DETECTORS" in job["message"]


def test_the_analysis_of_a_job_whose_ai_steps_were_handed_over_is_gone_once_it_was_cleared_away(
    stack: Stack, jobs: JobClient, published: dict[str, Any]
) -> None:
    asset, events = f"/api/v1/assets/{published['asset_id']}", f"/api/v1/jobs/{published['id']}/events"
    jobs.http.post(f"{asset}/retract", json={"by": "Ann", "version": 1}).raise_for_status()
    assert jobs.http.get(events).status_code == 200

    database = Database(stack.catalogue_url)
    with database.session() as session:
        for made in ArtifactRepository(session).of_asset(published["asset_id"]):
            ArtifactRepository(session).forget(published["asset_id"], made.kind, made.key)
    database.close()

    answer = jobs.http.get(events)
    assert (answer.status_code, answer.json()["code"]) == (410, "REQUEST.ANALYSIS_EXPIRED")
