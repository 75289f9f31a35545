"""Stop means stop, on a real stack: cancel and pause at every step, by the API and as the Prefect UI does it."""

import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect import states
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun, State, StateType

from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.conftest import WaitUntil
from tests.fakes.clips import clip
from tests.fakes.job_client import JobClient
from tests.fakes.stack_processes import encoders, engines

pytestmark = pytest.mark.slow

NO_AI = {"captions.enabled": False, "chapters.enabled": False, "poster.faces": False}
SLOWLY = {**NO_AI, "video.preset": "slow"}
QUICKLY = {**NO_AI, "video.preset": "ultrafast"}
MOST_SECONDS = 10
"""From a wish to stop until nothing works any more."""


@pytest.fixture(scope="module")
def prefect(stack: Stack) -> Iterator[SyncPrefectClient]:
    with SyncPrefectClient(stack.prefect_api_url) as client:
        yield client


@pytest.fixture
def speech(media_root: Path, request: pytest.FixtureRequest) -> Path:
    """Speech of this test's own, a minute of it, so that captioning takes its time."""
    target = media_root / f"{request.node.name}.mp4"
    command = [
        find_tools().ffmpeg,
        "-v",
        "error",
        "-y",
        "-f",
        "lavfi",
        "-i",
        "color=navy:s=320x180:r=10",
        "-stream_loop",
    ]
    command += ["-1", "-i", clip("two_cities"), "-t", "60", "-metadata", f"title={target.name}"]
    subprocess.run([*command, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", target], check=True)
    return target


def ask(jobs: JobClient, job_id: str, move: str, **query: str) -> dict[str, Any]:
    answer = jobs.http.post(f"/api/v1/jobs/{job_id}/{move}", params=query)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def encoding(jobs: JobClient, stack: Stack, job_id: str, wait_until: WaitUntil) -> None:
    jobs.wait_for(job_id, lambda job: job["step"] == "transcode" and job["progress"] > 0.06)
    wait_until(lambda: encoders(stack.stack_id), 30, "an encoder to run")


def at_step(jobs: JobClient, job_id: str, step: str) -> None:
    jobs.wait_for(job_id, lambda job: job["step"] == step or job["state"] == "succeeded")


def state_is(jobs: JobClient, job_id: str, state: str, timeout: float = MOST_SECONDS) -> dict[str, Any]:
    return dict(jobs.wait_for(job_id, lambda job: job["state"] == state, timeout))


def nothing_works(stack: Stack, job_id: str) -> bool:
    scratch = [
        path for path in (stack.home / "scratch").iterdir() if path.is_dir() and path.name.startswith(job_id[:13])
    ]
    return not encoders(stack.stack_id) and not engines(stack.stack_id, job_id) and not scratch


def children(prefect: SyncPrefectClient, job_id: str) -> list[FlowRun]:
    parent = FlowRunFilterParentFlowRunId(any_=[uuid.UUID(job_id)])
    return prefect.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))


def names(jobs: JobClient, job_id: str) -> list[str]:
    history = jobs.http.get(f"/api/v1/jobs/{job_id}/history").json()["items"]
    return [entry["prefect_state"] for entry in history]


def publication(jobs: JobClient, job_id: str) -> Any:
    asset = jobs.job(job_id)["asset_id"]
    return asset and jobs.http.get(f"/api/v1/assets/{asset}").json()["publication"]


def test_a_job_is_cancelled_while_it_starts(jobs: JobClient, stack: Stack, film: Path, wait_until: WaitUntil) -> None:
    job_id = jobs.submit(str(film), overrides=SLOWLY)
    wait_until(lambda: names(jobs, job_id)[-1] != "Scheduled", 10, "a worker to take the job")

    ask(jobs, job_id, "cancel")
    jobs.wait(job_id, timeout=120)
    wait_until(lambda: nothing_works(stack, job_id), 120, "a process that was still starting to see it and leave")

    assert jobs.job(job_id)["state"] == "cancelled"
    assert "Ingested" not in jobs.log_text(job_id)
    assert publication(jobs, job_id) is None


def test_a_job_is_cancelled_while_its_child_generates(
    jobs: JobClient, stack: Stack, speech: Path, prefect: SyncPrefectClient, wait_until: WaitUntil
) -> None:
    job_id = jobs.submit(str(speech), overrides={"video.preset": "ultrafast"})
    at_step(jobs, job_id, "generate")
    [child] = children(prefect, job_id)

    ask(jobs, job_id, "cancel")

    assert jobs.wait(job_id, timeout=15)["state"] == "cancelled"
    wait_until(lambda: not engines(stack.stack_id, str(child.id)), MOST_SECONDS, "the child to end")
    wait_until(lambda: prefect.read_flow_run(child.id).state_type is StateType.CANCELLED, 20, "the child's state")
    assert publication(jobs, job_id) is None


def test_a_job_that_is_cancelled_while_it_publishes_has_published_all_or_nothing(
    jobs: JobClient, stack: Stack, film: Path, wait_until: WaitUntil
) -> None:
    job_id = jobs.submit(str(film), overrides=QUICKLY)
    at_step(jobs, job_id, "publish")

    jobs.http.post(f"/api/v1/jobs/{job_id}/cancel")  # 409 where it has just succeeded

    job = jobs.wait(job_id, timeout=20)
    wait_until(lambda: nothing_works(stack, job_id), MOST_SECONDS, "the run to end")
    public = publication(jobs, job_id)
    assert job["state"] == "cancelled" or public
    if public:
        assert jobs.http.get(public["urls"]["mp4"]).status_code == 200


def test_a_queued_job_is_paused_and_does_not_start_until_it_is_resumed(
    jobs: JobClient, film: Path, prefect: SyncPrefectClient, wait_until: WaitUntil
) -> None:
    queue = prefect.read_work_queue_by_name("low", work_pool_name="cpu")
    prefect.update_work_queue(queue.id, is_paused=True)
    try:
        job_id = jobs.submit(str(film), overrides=QUICKLY, priority="low")
        paused = ask(jobs, job_id, "pause")
    finally:
        prefect.update_work_queue(queue.id, is_paused=False)
    other = jobs.succeed(str(film), overrides=QUICKLY, priority="low")
    still = jobs.job(job_id)
    ask(jobs, job_id, "resume")
    job = jobs.wait(job_id)

    assert (paused["state"], still["state"], job["state"]) == ("paused", "paused", "succeeded")
    assert (job["attempt"], job["asset_id"]) == (1, other["asset_id"])


def test_jobs_paused_at_any_moment_of_their_start_leave_the_worker_alive(
    jobs: JobClient, stack: Stack, film: Path, wait_until: WaitUntil
) -> None:
    """Prefect's worker ends, with all its runs, when a run is suspended that it has been told of and not yet taken."""
    [worker] = [child for child in stack.children if child.name == "cpu-worker"]
    started = []
    for delay in (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0):
        started.append(jobs.submit(str(film), overrides=SLOWLY))
        time.sleep(delay)  # no waiting for something: the moments are the test
        ask(jobs, started[-1], "pause", mode="at_once")

    for job_id in started:
        state_is(jobs, job_id, "paused", timeout=60)
        ask(jobs, job_id, "cancel")
    wait_until(lambda: not encoders(stack.stack_id), MOST_SECONDS, "the encoders to end")

    assert worker.exit_code() is None
    assert [jobs.job(job_id)["state"] for job_id in started] == ["cancelled"] * len(started)


def test_a_pause_at_once_ends_the_encoder_and_the_step_is_done_again(
    jobs: JobClient, stack: Stack, film: Path, wait_until: WaitUntil
) -> None:
    job_id = jobs.submit(str(film), overrides={**NO_AI, "video.preset": "medium"})
    encoding(jobs, stack, job_id, wait_until)

    pausing = ask(jobs, job_id, "pause", mode="at_once")
    wait_until(lambda: not encoders(stack.stack_id), MOST_SECONDS, "the encoder to end")
    paused = state_is(jobs, job_id, "paused")
    wait_until(lambda: nothing_works(stack, job_id), MOST_SECONDS, "the process to be gone")
    nothing_public = publication(jobs, job_id) is None
    ask(jobs, job_id, "resume")
    job = jobs.wait(job_id)

    assert (pausing["state"], paused["moves"], nothing_public) == ("pausing", ["cancel", "resume"], True)
    assert (job["state"], job["attempt"]) == ("succeeded", 1)
    assert jobs.log_text(job_id).count("Ingested") == 1
    assert jobs.log_text(job_id).count("Encoding with") == 2
    assert jobs.publication(job)["version"] == 1


def test_a_pause_after_the_step_lets_it_finish(
    jobs: JobClient, stack: Stack, film: Path, wait_until: WaitUntil
) -> None:
    job_id = jobs.submit(str(film), overrides={**NO_AI, "video.preset": "veryfast"})
    encoding(jobs, stack, job_id, wait_until)

    ask(jobs, job_id, "pause")
    state_is(jobs, job_id, "paused", timeout=120)
    wait_until(lambda: nothing_works(stack, job_id), MOST_SECONDS, "the process to be gone")
    nothing_public = publication(jobs, job_id) is None
    ask(jobs, job_id, "resume")
    job = jobs.wait(job_id)

    assert (nothing_public, job["state"], job["attempt"]) == (True, "succeeded", 1)
    assert jobs.log_text(job_id).count("Encoding with") == 1


def test_a_pause_at_once_takes_the_child_along(
    jobs: JobClient, stack: Stack, speech: Path, prefect: SyncPrefectClient, wait_until: WaitUntil
) -> None:
    job_id = jobs.submit(str(speech), overrides={"video.preset": "ultrafast"})
    at_step(jobs, job_id, "generate")
    [child] = children(prefect, job_id)

    ask(jobs, job_id, "pause", mode="at_once")
    wait_until(lambda: not engines(stack.stack_id, str(child.id)), 2 * MOST_SECONDS, "the child to end")
    state_is(jobs, job_id, "paused")
    ask(jobs, job_id, "resume")
    job = jobs.wait(job_id)

    assert job["state"] == "succeeded", jobs.log_text(job_id)
    assert jobs.log_text(job_id).count("Encoding with") == 1
    assert len(children(prefect, job_id)) == 2
    assert jobs.publication(job)["captions"]


def test_cancelling_a_pausing_job_ends_its_encoder(
    jobs: JobClient, stack: Stack, film: Path, wait_until: WaitUntil
) -> None:
    job_id = jobs.submit(str(film), overrides=SLOWLY)
    encoding(jobs, stack, job_id, wait_until)
    ask(jobs, job_id, "pause")

    ask(jobs, job_id, "cancel")

    wait_until(lambda: nothing_works(stack, job_id), MOST_SECONDS, "the run to end")
    assert jobs.job(job_id)["state"] == "cancelled"


BY_HAND: dict[str, Callable[..., State[Any]]] = {
    "the pause button": states.Suspended,  # as the Prefect UI sends it, by force
    "the state Paused": states.Paused,
}


@pytest.mark.parametrize("by", BY_HAND)
def test_a_pause_by_hand_stops_the_process_after_the_step(
    jobs: JobClient, stack: Stack, film: Path, prefect: SyncPrefectClient, by: str, wait_until: WaitUntil
) -> None:
    job_id = jobs.submit(str(film), overrides=QUICKLY)
    jobs.wait_for(job_id, lambda job: job["step"] == "transcode")
    prefect.set_flow_run_state(uuid.UUID(job_id), BY_HAND[by](timeout_seconds=600), force=True)

    state_is(jobs, job_id, "paused", timeout=60)
    wait_until(lambda: nothing_works(stack, job_id), MOST_SECONDS, "the process to be gone")
    run = prefect.read_flow_run(uuid.UUID(job_id))
    prefect.resume_flow_run(run.id)
    job = jobs.wait(job_id)

    assert run.state_name == "Suspended"
    assert job["state"] == "succeeded", f"{job['error']}\n{names(jobs, job_id)}\n{jobs.log_text(job_id)}"


def test_a_cancel_that_no_worker_attends_to_is_carried_out_by_the_run_itself(
    jobs: JobClient, stack: Stack, film: Path, wait_until: WaitUntil
) -> None:
    job_id = jobs.submit(str(film), overrides=SLOWLY)
    encoding(jobs, stack, job_id, wait_until)
    [worker] = [child for child in stack.children if child.name == "cpu-worker"]
    psutil.Process(worker.pid).suspend()
    try:
        ask(jobs, job_id, "cancel")

        job = jobs.wait(job_id, timeout=60)
        wait_until(lambda: nothing_works(stack, job_id), MOST_SECONDS, "the run to end")
    finally:
        psutil.Process(worker.pid).resume()

    assert job["state"] == "cancelled"


def test_a_retry_does_not_do_again_what_was_finished(
    jobs: JobClient, stack: Stack, film: Path, wait_until: WaitUntil
) -> None:
    job_id = jobs.submit(str(film), overrides=SLOWLY)
    encoding(jobs, stack, job_id, wait_until)
    ask(jobs, job_id, "cancel")
    jobs.wait(job_id, timeout=30)

    ask(jobs, job_id, "retry")
    encoding(jobs, stack, job_id, wait_until)
    wait_until(lambda: jobs.log_text(job_id).count("Encoding with") == 2, 30, "the step to be done again")
    ask(jobs, job_id, "cancel")
    jobs.wait(job_id, timeout=30)

    assert jobs.log_text(job_id).count("Ingested") == 1
    assert jobs.http.delete(f"/api/v1/jobs/{job_id}").status_code == 204
    assert jobs.http.get(f"/api/v1/jobs/{job_id}").status_code == 404
