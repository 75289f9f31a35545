"""Restarts: of everything with ``kill -9``, of the Prefect server alone, of Postgres alone. The queue goes on."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from deployments.components import PROJECT
from deployments.environment import isolated
from deployments.note import StackNote
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.conftest import WaitUntil
from tests.fakes.clips import clip
from tests.fakes.job_client import JobClient
from tests.fakes.stack_processes import encoders, stack_processes
from tests.faults.conftest import NothingIsLeft

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ENCODE = {"video.preset": "fast", "captions.enabled": False, "chapters.enabled": False, "poster.faces": False}


def film(target: Path, begin: int, seconds: int = 10) -> Path:
    """Cut a piece of film that no other test has, so that no other test's work is found again."""
    command = [find_tools().ffmpeg, "-v", "error", "-y", "-ss", str(begin), "-t", str(seconds), "-i", clip("bbb")]
    subprocess.run([*command, "-c", "copy", "-metadata", f"title={target.stem}", target], check=True)
    return target


def encoding(jobs: JobClient, stack_id: str, job_id: str, wait_until: WaitUntil) -> None:
    """Wait until the job's encoder is at work and has told of it."""
    jobs.wait_for(job_id, lambda job: job["step"] == "transcode" and job["progress"] > 0.06)
    wait_until(lambda: encoders(stack_id), 30, "an encoder to run")


def history(jobs: JobClient, job_id: str) -> list[dict[str, str]]:
    return list(jobs.http.get(f"/api/v1/jobs/{job_id}/history").json()["items"])


@pytest.mark.timeout(900)  # two starts of a whole stack and four encodes
def test_a_machine_that_went_down_goes_on_with_its_queue(
    state_home: Callable[[str], Path], wait_until: WaitUntil, nothing_is_left: NothingIsLeft
) -> None:
    home = state_home("restart")
    (home / "inbox").mkdir()
    sources = [film(home / "inbox" / f"film{number}.mp4", 100 + 10 * number, 10) for number in range(3)]
    environment = {**isolated(), "DAILIES_ORCHESTRATION__CPU_SLOTS": "1"}
    argv = [sys.executable, "-m", "deployments.up", "--home", str(home), "--api-port", "0", "--prefect-port", "0"]
    with subprocess.Popen(argv, cwd=PROJECT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL) as up:
        wait_until(lambda: (note := StackNote.read(home)) is not None and note.is_ready, 240, "the stack")
        note = StackNote.read(home)
        assert note is not None
        before = JobClient(note.api_url)
        job_ids = [before.submit(str(source), overrides=ENCODE) for source in sources]
        encoding(before, note.stack_id, job_ids[0], wait_until)
        before.close()
        up.kill()
        for process in stack_processes(note.stack_id):
            with contextlib.suppress(psutil.NoSuchProcess):  # another one took it along
                process.kill()
    wait_until(lambda: not stack_processes(note.stack_id), 30, "everything to be dead")

    with Stack(home, environment=environment) as stack:
        jobs = JobClient(stack.api_url)
        put_right = [entry["prefect_state"] for entry in history(jobs, job_ids[0])]
        ended = [jobs.wait(job_id) for job_id in job_ids]
        assert [job["state"] for job in ended] == ["succeeded"] * 3, ended
        assert [job["attempt"] for job in ended] == [2, 1, 1]
        assert {"Crashed", "AwaitingRetry"} <= set(put_right), "known to be lost before the first worker was up"
        nothing_is_left("everything killed at once", stack, job_ids)
        jobs.close()


@pytest.mark.parametrize(("component", "begin"), [("prefect-server", 200), ("postgres", 230)])
def test_a_job_outlives_the_restart_of(
    component: str,
    begin: int,
    jobs: JobClient,
    stack: Stack,
    media_root: Path,
    wait_until: WaitUntil,
    nothing_is_left: NothingIsLeft,
) -> None:
    job_id = jobs.submit(str(film(media_root / f"{component}.mp4", begin)), overrides=ENCODE)
    encoding(jobs, stack.stack_id, job_id, wait_until)
    (child,) = (child for child in stack.children if child.name == component)

    os.killpg(child.pid, signal.SIGKILL)
    wait_until(lambda: child.exit_code() is not None, 10, "its end")
    stack.revive()
    job = jobs.wait(job_id)

    assert job["state"] == "succeeded", f"{job}\n{jobs.log_text(job_id)}"
    nothing_is_left(f"{component} killed", stack, [job_id])
