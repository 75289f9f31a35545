"""The prepare stage on a real stack: a run of its own on the gpu pool, found again by the next job."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.domain.batches import ItemState
from data.domain.provenance import CredentialState
from deployments.stack import Stack
from tasks.media.content_credentials import read_credentials
from tasks.media.tools import find_tools
from tests.fakes.batch_client import BatchClient
from tests.fakes.clips import clip
from tests.fakes.job_client import JobClient

pytestmark = pytest.mark.slow

PREPARED = {
    "reframe.enabled": True,
    "reframe.aspect_ratio": "1:1",
    "anonymise.enabled": True,
    "burn_in.style": "karaoke",
    "captions.enabled": True,
}


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[JobClient]:
    client = JobClient(stack.api_url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def speaker(media_root: Path) -> Path:
    """Three seconds of a face, with real English speech."""
    target = media_root / "speaker.mp4"
    command = [find_tools().ffmpeg, "-v", "error", "-y", "-i", clip("carphone_pristine"), "-i", clip("two_cities")]
    command += ["-map", "0:v", "-map", "1:a", "-t", "3", "-r", "10", "-c:v", "libx264", "-preset", "ultrafast"]
    subprocess.run([*command, "-c:a", "aac", target], check=True)
    return target


@pytest.fixture(scope="module")
def published(jobs: JobClient, speaker: Path) -> dict:
    return jobs.succeed(str(speaker), recipe="quick", overrides=PREPARED)


def test_what_is_published_was_changed_and_says_so(jobs: JobClient, published: dict) -> None:
    publication = jobs.publication(published)

    assert [step["name"] for step in published["steps"]] == ["ingest", "prepare", "transcode", "generate", "publish"]
    assert published["progress"] == 1.0
    assert any("Faces were hidden" in note for note in publication["notes"])
    assert any("Reframed to 1:1" in note for note in publication["notes"])
    assert all(each["width"] == each["height"] for each in publication["renditions"])
    assert publication["title"] == "speaker.mp4"


def test_the_mp4_itself_names_the_models_that_changed_it(jobs: JobClient, published: dict, tmp_path: Path) -> None:
    publication = jobs.publication(published)
    (tmp_path / "public.mp4").write_bytes(jobs.http.get(publication["urls"]["mp4"]).content)

    found = read_credentials(tmp_path / "public.mp4")

    assert found.state is CredentialState.UNTRUSTED
    done = ["c2pa.opened", "c2pa.edited", "c2pa.cropped", "c2pa.addedText", "c2pa.transcoded"]
    assert [action.name for action in found.actions] == done
    assert [model.split()[0] for model in found.actions[1].models] == ["centerface"]
    said = publication["provenance"]
    assert (said["is_ai_generated"], said["is_ai_edited"]) == (False, True)
    assert [action["name"] for action in said["actions"]] == [*done, "c2pa.addedText"]  # and captions beside it


def test_the_captions_beside_the_video_are_those_in_it(jobs: JobClient, published: dict) -> None:
    assert "best" in " ".join(jobs.publication(published)["captions"][0]["first_lines"])


def test_the_asset_is_still_the_original(jobs: JobClient, published: dict) -> None:
    asset = jobs.http.get(f"/api/v1/assets/{published['asset_id']}").json()

    assert (asset["facts"]["video"]["width"], asset["facts"]["video"]["height"]) != (144, 144)
    assert asset["facts"]["container"].startswith("mov")


def test_the_second_job_only_looks_it_up(
    jobs: JobClient, published: dict, speaker: Path, wait_until: Callable[..., None]
) -> None:
    again = jobs.succeed(str(speaker), recipe="quick", overrides=PREPARED)

    wait_until(lambda: "Nothing to prepare" in jobs.log_text(again["id"]), 10, "the log to arrive")
    assert "Nothing to encode" in jobs.log_text(again["id"])
    assert again["asset_id"] == published["asset_id"]


def test_of_a_trimmed_video_only_what_is_kept_is_prepared(jobs: JobClient, speaker: Path) -> None:
    squared = {"reframe.enabled": True, "reframe.aspect_ratio": "1:1", "captions.enabled": False}

    job = jobs.succeed(
        str(speaker), recipe="quick", overrides={**squared, "edit.trim": {"start_seconds": 0.5, "end_seconds": 1.5}}
    )

    publication = jobs.publication(job)
    assert publication["duration_seconds"] == 1.0
    assert publication["kept"] == {"start_seconds": 0.5, "end_seconds": 1.5, "cut": "exact"}
    assert "Of 3.00 s, 1.00 s were kept, from 0.50 s on." in publication["notes"]


def test_a_clip_that_would_take_too_long_fails_as_its_own_fault_and_is_not_retried(
    jobs: JobClient, speaker: Path
) -> None:
    job = jobs.process(str(speaker), recipe="quick", overrides={"upscale.enabled": True, "upscale.max_seconds": 1})

    assert job["state"] == "failed"
    assert job["reason"] == "DATA.INPUT.UPSCALE_TOO_SLOW"
    assert job["attempt"] == 1


def test_items_of_a_pack_are_prepared_each_for_itself(stack: Stack, jobs: JobClient, media_root: Path) -> None:
    made = [media_root / f"packed-{number}.mp4" for number in range(2)]
    for number, path in enumerate(made):
        command = [
            find_tools().ffmpeg,
            "-v",
            "error",
            "-y",
            "-ss",
            str(70 + 9 * number),
            "-t",
            "0.4",
            "-i",
            clip("bbb"),
        ]
        command += ["-vf", "scale=-2:144", "-r", "10", "-an", "-c:v", "libx264", "-preset", "ultrafast", path]
        subprocess.run(command, check=True)
    fields = {"reframe.enabled": True, "reframe.aspect_ratio": "1:1", "poster.faces": True}
    batches = BatchClient(stack, media_root)

    batch_id = batches.submit(
        [{"custom_id": path.stem, "source": str(path), **fields} for path in made],
        recipe="quick",
        pack_seconds=600,
        max_concurrency=1,
    )
    batches.ended(batch_id)

    items = batches.items(batch_id).values()
    assert {item.state for item in items} == {ItemState.SUCCEEDED}, [item.message for item in items]
    for item in items:
        publication = jobs.http.get(f"/api/v1/assets/{item.asset_id}").json()["publication"]
        assert {each["width"] for each in publication["renditions"]} == {144}
