"""What a stack that ends, and a worker that is drained, do to a job under way; on a stack of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.components import PROJECT
from deployments.environment import isolated
from deployments.stack import Stack
from tests.conftest import WaitUntil
from tests.fakes.job_client import JobClient
from tests.fakes.stack_processes import encoders
from tests.faults.conftest import own_film

pytestmark = pytest.mark.slow

QUIET = {"captions.enabled": False, "chapters.enabled": False, "poster.faces": False, "video.preset": "veryfast"}


def encode(jobs: JobClient, stack: Stack, film: Path, wait_until: WaitUntil) -> str:
    """Submit a job and wait until its encoder is at work."""
    job_id = jobs.submit(str(film), overrides=QUIET)
    jobs.wait_for(job_id, lambda job: job["step"] == "transcode")
    wait_until(lambda: encoders(stack.stack_id), 30, "an encoder to run")
    return job_id


@pytest.mark.timeout(600)
def test_a_job_goes_on_after_a_restart_and_a_drained_worker_finishes_first(
    state_home: Callable[[str], Path], wait_until: WaitUntil
) -> None:
    home, media = state_home("restart"), state_home("films")
    environment = {**isolated(), "DAILIES_INGEST__ALLOWED_ROOTS": f'["{media}"]'}
    with Stack(home, environment=environment) as stack:
        job_id = encode(JobClient(stack.api_url), stack, own_film(media / "restart.mp4"), wait_until)

    assert encoders(stack.stack_id) == []
    with Stack(home, environment=environment) as stack:
        jobs = JobClient(stack.api_url)
        job = jobs.wait(job_id)
        history = jobs.http.get(f"/api/v1/jobs/{job_id}/history").json()["items"]
        assert job["state"] == "succeeded", jobs.log_text(job_id)
        assert "Crashed" not in [entry["prefect_state"] for entry in history]
        assert "AwaitingRetry" in [entry["prefect_state"] for entry in history]
        assert jobs.log_text(job_id).count("Ingested") == 1

        encode(jobs, stack, own_film(media / "drained.mp4", seconds=20), wait_until)
        drained = drain(stack)
        left = jobs.submit(str(media / "drained.mp4"), overrides=QUIET)

        assert drained.returncode == 0, drained.stderr
        assert "has ended" in drained.stdout
        [worker] = [child for child in stack.children if child.name == "cpu-worker"]
        wait_until(lambda: worker.exit_code() is not None, 10, "the worker to have ended")
        assert worker.exit_code() == 0
        assert [each["state"] for each in jobs.http.get("/api/v1/jobs").json()["items"]].count("succeeded") == 2
        assert jobs.job(left)["state"] == "queued"


def drain(stack: Stack) -> subprocess.CompletedProcess[str]:
    """Drain the stack's worker of the cpu pool, from the command line."""
    command = [sys.executable, "-m", "deployments.drain", "--pool", "cpu", "--worker", f"cpu@{os.uname().nodename}"]
    return subprocess.run(
        [*command, "--timeout", "200"], cwd=PROJECT, env=stack.environment, capture_output=True, text=True, check=False
    )
