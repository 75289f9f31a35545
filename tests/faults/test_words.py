"""Jobs that begin with words, and those whose source is prepared: stopped and killed while they do, on a real stack."""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun

from data.domain.batches import ItemState
from deployments.environment import isolated
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.conftest import WaitUntil
from tests.fakes.batch_client import BatchClient
from tests.fakes.clips import clip
from tests.fakes.job_client import JobClient
from tests.fakes.stack_processes import encoders, engines
from tests.faults.conftest import NothingIsLeft

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SMALL: dict[str, Any] = {
    "generation.short_side": 240,
    "generation.frame_rate": 10,
    "generation.music": False,
    "video.preset": "ultrafast",
}
SCRIPT = "{name} rises over the harbour. Boats leave one by one."
LONG_SCRIPT = (
    "{name} rises over the harbour. Boats leave one by one. The city wakes up slowly. People drink coffee. "
    "A tram goes down the hill. The baker opens his door. Children run to school. A cat looks out of a window."
)
PREPARED: dict[str, Any] = {"reframe.enabled": True, "reframe.aspect_ratio": "1:1", "speech.clean_up": True}


@pytest.fixture(scope="module")
def stack(state_home: Callable[[str], Path], media_root: Path) -> Iterator[Stack]:
    """A stack of this module's own, whose ``gpu`` pool takes two runs at once."""
    environment = {
        **isolated(),
        "DAILIES_INGEST__ALLOWED_ROOTS": f'["{media_root}"]',
        "DAILIES_ORCHESTRATION__GPU_SLOTS": "2",
        "DAILIES_RETRY__FIRST_DELAY_SECONDS": "1",
    }
    with Stack(state_home("words"), environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def prefect(stack: Stack) -> Iterator[SyncPrefectClient]:
    with SyncPrefectClient(stack.prefect_api_url) as client:
        yield client


@pytest.fixture
def speaker(media_root: Path, request: pytest.FixtureRequest) -> Path:
    """Eight seconds of a film with real speech, of this test's own: some seconds of work for the prepare step."""
    target = media_root / f"{request.node.name}.mp4"
    command = [find_tools().ffmpeg, "-v", "error", "-y", "-ss", "70", "-i", clip("bbb"), "-i", clip("two_cities")]
    command += ["-map", "0:v", "-map", "1:a", "-t", "8", "-vf", "scale=-2:360", "-c:v", "libx264"]
    command += ["-preset", "ultrafast", "-c:a", "aac", "-metadata", f"title={target.name}"]
    subprocess.run([*command, target], check=True)
    return target


def words(name: str, script: str = SCRIPT) -> dict[str, Any]:
    """Return the body of a job for a script of a test's own."""
    return {"script": script.format(name=name), "recipe": "quick", "overrides": SMALL}


def ledger(jobs: JobClient, *job_ids: str) -> list[dict[str, Any]]:
    """Return the ledger's entries of jobs."""
    answers = [jobs.http.get("/api/v1/generations", params={"job_id": job_id}) for job_id in job_ids]
    assert all(answer.status_code == 200 for answer in answers), [answer.text for answer in answers]
    return [entry for answer in answers for entry in answer.json()["items"]]


def children(prefect: SyncPrefectClient, job_id: str) -> list[FlowRun]:
    parent = FlowRunFilterParentFlowRunId(any_=[uuid.UUID(job_id)])
    return prefect.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))


def making(jobs: JobClient, job_id: str) -> None:
    """Wait until a provider is at work for a job and has told of it."""
    jobs.wait_for(job_id, lambda job: job["step"] == "make" and job["progress"] > 0.01)
    assert [entry["state"] for entry in ledger(jobs, job_id)] == ["accepted"]


def preparing(jobs: JobClient, job_id: str) -> None:
    """Wait until a job's source is being prepared."""
    jobs.wait_for(job_id, lambda job: job["step"] == "prepare" and job["progress"] > 0.06)


def ask(jobs: JobClient, job_id: str, move: str, **query: str) -> None:
    answer = jobs.http.post(f"/api/v1/jobs/{job_id}/{move}", params=query)
    assert answer.status_code == 202, answer.text


def killed(stack: Stack, prefect: SyncPrefectClient, job_id: str) -> None:
    """``kill -9`` of the process of a job's child."""
    [child] = children(prefect, job_id)
    processes = engines(stack.stack_id, str(child.id))
    assert processes
    for process in processes:
        process.kill()


def test_a_script_is_made_once_for_two_jobs_at_the_same_time_and_found_again_by_a_third(
    jobs: JobClient, wait_until: WaitUntil
) -> None:
    ids = [jobs.submit(**words("The sun")) for _ in range(2)]
    first, second = (jobs.wait(job_id) for job_id in ids)
    third = jobs.succeed(**words("The sun"))

    publication = jobs.publication(first)
    assert [job["state"] for job in (first, second)] == ["succeeded", "succeeded"]
    assert [(entry["state"], entry["attempts"]) for entry in ledger(jobs, *ids, third["id"])] == [("stored", 1)]
    assert {job["asset_id"] for job in (second, third)} == {first["asset_id"]}
    assert [step["name"] for step in third["steps"]] == ["make", "transcode", "generate", "publish"]
    assert (third["progress"], publication["version"]) == (1.0, 1)
    assert publication["title"] == "The sun rises over the harbour. Boats leave one by one"
    assert {each["height"] for each in publication["renditions"]} <= {240, 144}
    wait_until(lambda: "Nothing to encode" in jobs.log_text(third["id"]), 10, "the log to arrive")


def test_a_job_that_is_cancelled_while_its_video_is_made_leaves_nothing(
    jobs: JobClient, stack: Stack, wait_until: WaitUntil, nothing_is_left: NothingIsLeft
) -> None:
    job_id = jobs.submit(**words("The moon", " ".join([LONG_SCRIPT] * 3)))  # not made before the stop reaches it
    making(jobs, job_id)

    ask(jobs, job_id, "cancel")

    assert jobs.wait(job_id, timeout=15)["state"] == "cancelled"
    wait_until(lambda: not encoders(stack.stack_id), 10, "the encoder to end")
    wait_until(lambda: ledger(jobs, job_id)[0]["state"] != "accepted", 20, "the ledger to know how it ended")
    settled = [(entry["state"], entry["message"]) for entry in ledger(jobs, job_id)]
    assert settled == [("cancelled", "Cancelled by request.")], jobs.log_text(job_id)
    nothing_is_left("cancelled while making", stack, [job_id])


def test_a_job_that_is_paused_while_its_video_is_made_makes_it_when_resumed(
    jobs: JobClient, stack: Stack, wait_until: WaitUntil, nothing_is_left: NothingIsLeft
) -> None:
    job_id = jobs.submit(**words("The fog", LONG_SCRIPT))
    making(jobs, job_id)

    ask(jobs, job_id, "pause", mode="at_once")
    jobs.wait_for(job_id, lambda job: job["state"] == "paused", 20)
    wait_until(lambda: not encoders(stack.stack_id), 10, "the encoder to end")
    ask(jobs, job_id, "resume")
    job = jobs.wait(job_id)

    assert job["state"] == "succeeded", jobs.log_text(job_id)
    assert jobs.publication(job)["version"] == 1
    assert sorted(entry["state"] for entry in ledger(jobs, job_id))[-1] == "stored"
    nothing_is_left("paused while making", stack, [job_id])


def test_a_child_that_is_killed_while_it_makes_is_tried_again(
    jobs: JobClient, stack: Stack, prefect: SyncPrefectClient, nothing_is_left: NothingIsLeft
) -> None:
    job_id = jobs.submit(**words("The tide", LONG_SCRIPT))
    making(jobs, job_id)

    killed(stack, prefect, job_id)
    job = jobs.wait(job_id)

    assert job["state"] == "succeeded", jobs.log_text(job_id)
    assert jobs.publication(job)["version"] == 1
    assert [(entry["state"], entry["attempts"]) for entry in ledger(jobs, job_id)] == [("stored", 2)]
    nothing_is_left("killed while making", stack, [job_id])


def test_a_batch_of_words_and_files_is_skipped_the_second_night(stack: Stack, media_root: Path, speaker: Path) -> None:
    inputs = {"prompt": "A quiet lake. Two swans.", "script": "A quiet lake, said aloud.", "source": str(speaker)}
    rows = [{"custom_id": name, name: value, **SMALL} for name, value in inputs.items()]
    batches = BatchClient(stack, media_root)
    nights = []

    for _ in range(2):
        nights.append(batches.submit(rows, recipe="quick"))
        batches.ended(nights[-1])

    items = [batches.items(night) for night in nights]
    said = [{name: (item.state, item.reason, item.message) for name, item in each.items()} for each in items]
    assert [{item.state for item in each.values()} for each in items] == [{ItemState.SUCCEEDED}, {ItemState.SKIPPED}], (
        said
    )
    assert len({item.asset_id for item in items[0].values()}) == 3
    assert {name: item.asset_id for name, item in items[1].items()} == {
        name: item.asset_id for name, item in items[0].items()
    }


def test_a_child_that_is_killed_while_it_prepares_is_tried_again(
    jobs: JobClient, stack: Stack, prefect: SyncPrefectClient, speaker: Path, nothing_is_left: NothingIsLeft
) -> None:
    job_id = jobs.submit(str(speaker), recipe="quick", overrides=PREPARED)
    preparing(jobs, job_id)

    killed(stack, prefect, job_id)
    job = jobs.wait(job_id)

    assert job["state"] == "succeeded", jobs.log_text(job_id)
    assert jobs.publication(job)["version"] == 1
    nothing_is_left("killed while preparing", stack, [job_id])


def test_a_job_that_is_cancelled_while_it_prepares_leaves_nothing(
    jobs: JobClient, stack: Stack, speaker: Path, wait_until: WaitUntil, nothing_is_left: NothingIsLeft
) -> None:
    job_id = jobs.submit(str(speaker), recipe="quick", overrides=PREPARED)
    preparing(jobs, job_id)

    ask(jobs, job_id, "cancel")

    assert jobs.wait(job_id, timeout=15)["state"] == "cancelled"
    wait_until(lambda: not encoders(stack.stack_id), 10, "the encoder to end")
    nothing_is_left("cancelled while preparing", stack, [job_id])
    asset = jobs.job(job_id)["asset_id"]
    assert jobs.http.get(f"/api/v1/assets/{asset}").json()["publication"] is None
