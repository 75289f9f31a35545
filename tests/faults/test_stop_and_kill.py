"""What stops and what is killed, on a real stack: a typed end, no encoder, no scratch, nothing half published."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.stack import Stack
from tests.fakes.job_client import JobClient
from tests.fakes.stack_processes import encoders, engines
from tests.faults.conftest import NothingIsLeft

pytestmark = pytest.mark.slow

SLOW_ENCODE = {
    "video.preset": "slow",
    "captions.enabled": False,
    "chapters.enabled": False,
    "poster.faces": False,
}


def encoding(jobs: JobClient, stack: Stack, job_id: str, wait_until: Callable[..., None]) -> None:
    """Wait until the job's encoder is at work and has told of it."""
    jobs.wait_for(job_id, lambda job: job["step"] == "transcode" and job["progress"] > 0.06)
    wait_until(lambda: encoders(stack.stack_id), 30, "an encoder to run")


def history(jobs: JobClient, job_id: str) -> list[dict[str, str]]:
    return list(jobs.http.get(f"/api/v1/jobs/{job_id}/history").json()["items"])


def nothing_works(stack: Stack) -> bool:
    scratch = stack.home / "scratch"
    return not encoders(stack.stack_id) and not [path for path in scratch.iterdir() if path.is_dir()]


def test_a_killed_encoder_is_retried_and_the_job_succeeds(
    jobs: JobClient,
    stack: Stack,
    film: Path,
    wait_until: Callable[..., None],
    nothing_is_left: NothingIsLeft,
) -> None:
    job_id = jobs.submit(str(film), overrides={**SLOW_ENCODE, "video.preset": "veryfast"})
    encoding(jobs, stack, job_id, wait_until)
    for encoder in encoders(stack.stack_id):
        encoder.send_signal(signal.SIGKILL)

    job = jobs.wait(job_id)

    assert job["state"] == "succeeded", job
    assert "INFRA.ENCODER.KILLED" in jobs.log_text(job_id)
    nothing_is_left("encoder killed", stack, [job_id])


def test_cancel_while_encoding_ends_the_encoder(
    jobs: JobClient, stack: Stack, film: Path, wait_until: Callable[..., None]
) -> None:
    job_id = jobs.submit(str(film), overrides=SLOW_ENCODE)
    encoding(jobs, stack, job_id, wait_until)

    answer = jobs.http.post(f"/api/v1/jobs/{job_id}/cancel")

    assert answer.status_code in (200, 202), answer.text
    wait_until(lambda: not encoders(stack.stack_id), 10, "the encoder to end within ten seconds")
    assert jobs.wait(job_id, timeout=15)["state"] == "cancelled"
    wait_until(lambda: nothing_works(stack), 5, "scratch to be gone")
    asset = jobs.job(job_id)["asset_id"]
    assert jobs.http.get(f"/api/v1/assets/{asset}").json()["publication"] is None


def test_a_cancelled_job_can_be_retried(
    jobs: JobClient, stack: Stack, film: Path, wait_until: Callable[..., None]
) -> None:
    job_id = jobs.submit(str(film), overrides={**SLOW_ENCODE, "video.preset": "veryfast"})
    encoding(jobs, stack, job_id, wait_until)
    jobs.http.post(f"/api/v1/jobs/{job_id}/cancel")
    assert jobs.wait(job_id, timeout=30)["state"] == "cancelled"

    answer = jobs.http.post(f"/api/v1/jobs/{job_id}/retry")
    job = jobs.wait(job_id)

    assert answer.status_code in (200, 202), answer.text
    assert job["state"] == "succeeded"
    assert job["attempt"] == 2


def test_a_killed_flow_takes_its_encoder_along_and_is_tried_again(
    jobs: JobClient,
    stack: Stack,
    film: Path,
    wait_until: Callable[..., None],
    nothing_is_left: NothingIsLeft,
) -> None:
    job_id = jobs.submit(str(film), overrides={**SLOW_ENCODE, "video.preset": "veryfast"})
    encoding(jobs, stack, job_id, wait_until)
    for engine in engines(stack.stack_id, job_id):
        os.kill(engine.pid, signal.SIGKILL)

    wait_until(lambda: not encoders(stack.stack_id), 10, "the orphaned encoder to end")
    crashed = jobs.wait_for(job_id, lambda job: job["state"] != "running", timeout=60)
    job = jobs.wait(job_id)

    assert (crashed["state"], crashed["reason"]) in {("queued", "infrastructure"), ("queued", "retry_wait")}
    assert "Crashed" in [entry["prefect_state"] for entry in history(jobs, job_id)]
    assert job["state"] == "succeeded"
    assert job["attempt"] == 2
    nothing_is_left("flow process killed", stack, [job_id])
