"""The pipeline on a real stack: real Postgres, Prefect server, workers, ffmpeg and models."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.domain.errors import RecipeForBatchesError
from deployments.stack import Stack
from flows.process_asset import process_asset
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.job_client import JobClient
from tests.fakes.prefect_command import run_deployment

QUICK = {"video.preset": "ultrafast"}


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[JobClient]:
    client = JobClient(stack.api_url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def speech(media_root: Path) -> Path:
    """Twelve seconds of Big Buck Bunny with real English speech."""
    target = media_root / "speech.mp4"
    command = [find_tools().ffmpeg, "-v", "error", "-y", "-ss", "62", "-t", "12", "-i", clip("bbb")]
    command += ["-t", "12", "-i", clip("two_cities"), "-map", "0:v", "-map", "1:a", "-vf", "scale=-2:360"]
    subprocess.run([*command, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", target], check=True)
    return target


@pytest.fixture(scope="module")
def published(jobs: JobClient, speech: Path) -> dict:
    return jobs.succeed(str(speech), overrides=QUICK, title="Two Cities")


def test_a_file_becomes_a_published_video_with_captions(jobs: JobClient, published: dict, speech: Path) -> None:
    publication = jobs.publication(published)

    assert published["progress"] == 1.0
    assert [step["name"] for step in published["steps"]] == ["ingest", "transcode", "generate", "publish"]
    assert publication["title"] == "Two Cities"
    assert publication["version"] == 1
    assert [rendition["height"] for rendition in publication["renditions"]] == [360, 240]
    assert abs(publication["duration_seconds"] - 12) < 0.5
    captions = publication["captions"][0]
    assert captions["language"] == "en"
    spoken = jobs.http.get(captions["vtt_url"]).text
    assert "best of times" in _plain(spoken)


def _plain(vtt: str) -> str:
    """Strip the times and line breaks of a WebVTT text."""
    words = [line for line in vtt.splitlines() if "-->" not in line]
    text = " ".join(words)
    while "<" in text:
        text = text[: text.index("<")] + text[text.index(">", text.index("<")) + 1 :]
    return " ".join(text.split())


def test_what_is_published_decodes_over_http(jobs: JobClient, published: dict, stack: Stack) -> None:
    urls = jobs.publication(published)["urls"]
    tools = find_tools()

    for kind in ("hls", "dash", "mp4"):
        address = httpx_join(stack.api_url, urls[kind])
        probe = [tools.ffmpeg, "-v", "error", "-i", address, "-map", "0:v:0", "-map", "0:a:0", "-f", "null", "-"]
        decoded = subprocess.run(probe, capture_output=True, text=True, check=False)
        assert decoded.returncode == 0, f"{kind}: {decoded.stderr}"


def httpx_join(base: str, path: str) -> str:
    return path if path.startswith("http") else base + path


def test_the_same_source_with_the_same_recipe_is_not_encoded_again(
    jobs: JobClient, published: dict, speech: Path, media_root: Path, wait_until: Callable[..., None]
) -> None:
    copy = media_root / "copy of speech.mp4"
    shutil.copy(speech, copy)

    again = jobs.succeed(str(copy), overrides=QUICK, title="Two Cities")

    assert "Nothing to encode" in jobs.log_text(again["id"])
    wait_until(lambda: "Nothing to publish" in jobs.log_text(again["id"]), 10, "the last lines of the log to arrive")
    assert again["asset_id"] == published["asset_id"]
    assert jobs.publication(again)["version"] == 1


@pytest.mark.slow
def test_a_changed_caption_option_does_not_encode_again(jobs: JobClient, published: dict, speech: Path) -> None:
    changed = jobs.succeed(
        str(speech), overrides={**QUICK, "captions.max_line_characters": 24}, title="Two Cities, narrow"
    )

    assert "Nothing to encode" in jobs.log_text(changed["id"])
    publication = jobs.publication(changed)
    assert publication["version"] > 1
    lines = jobs.http.get(publication["captions"][0]["srt_url"]).text.splitlines()
    assert max(len(line) for line in lines if "-->" not in line) <= 24


def test_an_upload_becomes_a_published_video(jobs: JobClient) -> None:
    with clip("carphone_pristine").open("rb") as file:
        uploaded = jobs.http.post("/api/v1/uploads", files={"file": ("my clip.mp4", file, "video/mp4")}).json()

    job = jobs.succeed(uploaded["source"], recipe="quick")

    publication = jobs.publication(job)
    assert publication["title"] == "my clip.mp4"
    assert publication["captions"] == []
    assert [(rendition["width"], rendition["height"]) for rendition in publication["renditions"]] == [
        (192, 144)
    ]  # its pixels are not square


def test_a_file_that_is_no_video_fails_with_its_code_and_is_not_retried(jobs: JobClient, media_root: Path) -> None:
    text = media_root / "notes.mp4"
    text.write_text("This is not a video.\n" * 100)

    job = jobs.process(str(text))

    assert job["state"] == "failed"
    assert job["reason"] == "DATA.INPUT.NOT_MEDIA"
    assert job["attempt"] == 1


@pytest.mark.slow
def test_captions_of_a_trimmed_video_are_those_of_its_part(jobs: JobClient, published: dict, speech: Path) -> None:
    trim = {"edit.trim.start_seconds": 5, "edit.loudness.target_lufs": -20}
    job = jobs.succeed(str(speech), overrides={**QUICK, **trim}, title="Two Cities, from the middle")

    publication = jobs.publication(job)
    assert publication["duration_seconds"] == pytest.approx(7, abs=0.05)
    spoken = _plain(jobs.http.get(publication["captions"][0]["vtt_url"]).text)
    assert "best of times" not in spoken
    assert len(spoken.split()) > 5
    assert any("LUFS" in note for note in publication["notes"])


@pytest.mark.slow
def test_an_edit_that_does_not_fit_the_source_fails_with_its_numbers(jobs: JobClient, speech: Path) -> None:
    job = jobs.process(str(speech), recipe="quick", overrides={"edit.trim.start_seconds": 30})

    assert job["state"] == "failed"
    assert job["reason"] == "DATA.INPUT.EDIT_IMPOSSIBLE"
    assert job["attempt"] == 1
    assert "begins at 30 s, but the source lasts 12" in json.dumps(job)


def test_a_source_outside_the_roots_is_refused_before_any_run_and_says_what_to_set(jobs: JobClient) -> None:
    answer = jobs.http.post("/api/v1/jobs", json={"source": "/etc/hostname"})

    assert answer.status_code == 422
    assert answer.json()["code"] == "DATA.SOURCE.FORBIDDEN"
    assert "DAILIES_INGEST__ALLOWED_ROOTS" in answer.json()["detail"]


@pytest.mark.slow
def test_what_the_api_does_not_see_the_flow_refuses(stack: Stack, jobs: JobClient) -> None:
    ran = run_deployment(stack, "process-asset/on-demand", "source=/etc/hostname")

    assert ran.returncode != 0
    assert "DATA.SOURCE.FORBIDDEN" in jobs.http.get("/api/v1/jobs", params={"limit": 1}).text


@pytest.mark.slow
def test_prefect_users_run_it_from_the_command_line(stack: Stack, speech: Path, jobs: JobClient) -> None:
    ran = run_deployment(stack, "process-asset/on-demand", f"source={speech}", "recipe=quick")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    listed = jobs.http.get("/api/v1/jobs", params={"limit": 5}).json()["items"]
    assert any(job["recipe"] == "quick" and job["state"] == "succeeded" for job in listed), json.dumps(listed)


def test_a_rehearsal_is_refused_before_anything_is_taken_in() -> None:
    with pytest.raises(RecipeForBatchesError):
        process_asset.fn("/anything.mp4", recipe="rehearsal")


@pytest.mark.slow
def test_codec_quality_preview_and_sound_file_of_a_recipe_are_published(jobs: JobClient, speech: Path) -> None:
    overrides = {
        "video.codec": "av1",
        "video.target_vmaf": 85,
        "preview": {"format": "gif", "seconds": 1, "width": 160},
        "audio.rendition": "m4a",
    }
    job = jobs.succeed(str(speech), recipe="quick", overrides=overrides, title="In AV1")

    publication = jobs.publication(job)
    assert {rendition["codec"].partition(".")[0] for rendition in publication["renditions"]} == {"av01"}
    for rendition in publication["renditions"]:
        assert f"{rendition['name']}: CRF {rendition['crf']:g} for a VMAF of" in "".join(publication["notes"])
        assert f"{rendition['name']}: CRF {rendition['crf']:g}" in jobs.log_text(job["id"])
    assert jobs.http.get(publication["urls"]["preview"]).content.startswith(b"GIF89a")
    assert jobs.http.get(publication["urls"]["audio"]).headers["Content-Type"] == "audio/mp4"
