"""Encode slots on a real stack: the wait is seen, ends with the holder however that ends, and nobody else holds one."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.settings import Settings
from deployments.stack import Stack
from tasks.media.slots import EncodeSlots, holding_slot
from tasks.media.tools import find_tools
from tasks.policies import encode_slots
from tests.fakes.clips import clip
from tests.fakes.job_client import Job, JobClient
from tests.fakes.stack_processes import encoders, engines

pytestmark = pytest.mark.slow

NO_AI = {"captions.enabled": False, "chapters.enabled": False, "poster.faces": False}
SLOW = {**NO_AI, "video.preset": "medium"}


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[JobClient]:
    client = JobClient(stack.api_url)
    yield client
    client.close()


@pytest.fixture
def films(media_root: Path, request: pytest.FixtureRequest) -> list[str]:
    """Two films of eight seconds that are this test's own, so that no other test's work is found again."""
    targets = [media_root / f"{request.node.name}-{number}.mp4" for number in (1, 2)]
    for target in targets:
        command = [find_tools().ffmpeg, "-v", "error", "-y", "-ss", "100", "-t", "8", "-i", clip("bbb"), "-c", "copy"]
        subprocess.run([*command, "-metadata", f"title={target.name}", target], check=True)
    return [str(target) for target in targets]


@pytest.fixture
def machine(stack: Stack) -> EncodeSlots:
    """The encode slots of the stack."""
    return encode_slots(Settings(home=stack.home))


def holding(machine: EncodeSlots, units: int) -> Any:
    """Hold so many of the machine's units."""
    return holding_slot(EncodeSlots(machine.directory, machine.units, units))


def is_waiting(job: Job, *positions: int) -> bool:
    assert job["state"] != "failed", job
    return job["reason"] == "waiting_for_slot" and job["position"] in positions


def is_encoding(job: Job) -> bool:
    assert job["state"] != "failed", job
    return job["step"] == "transcode" and job["reason"] is None and job["progress"] > 0.06


def test_of_two_jobs_on_one_slot_the_second_is_seen_to_wait(
    jobs: JobClient, stack: Stack, films: list[str], machine: EncodeSlots
) -> None:
    with ExitStack() as kept, ExitStack() as last_slot:
        if machine.units > 1:
            kept.enter_context(holding(machine, machine.units - 1))
        last_slot.enter_context(holding(machine, 1))
        submitted = [jobs.submit(film, overrides=SLOW) for film in films]
        waiting = [jobs.wait_for(job_id, lambda job: is_waiting(job, 1, 2)) for job_id in submitted]
        first, second = (job["id"] for job in sorted(waiting, key=lambda job: job["position"]))
        assert [jobs.job(each)["position"] for each in (first, second)] == [1, 2]
        shown = jobs.job(second)
        assert (shown["state"], shown["step"]) == ("running", "transcode")
        assert not encoders(stack.stack_id)

        last_slot.close()
        jobs.wait_for(first, is_encoding)
        jobs.wait_for(second, lambda job: is_waiting(job, 1))
        assert len(encoders(stack.stack_id)) == 1
        ended = [jobs.wait(job_id) for job_id in (first, second)]

    assert [(job["state"], job["reason"], job["position"]) for job in ended] == [("succeeded", None, None)] * 2
    assert "encode slots, at place 2" in jobs.log_text(second)
    assert [jobs.publication(job)["tools"]["encoder_threads"] for job in ended] == [1, 1]


def test_when_the_holders_flow_is_killed_the_waiting_job_gets_its_slot(
    jobs: JobClient, stack: Stack, films: list[str], machine: EncodeSlots
) -> None:
    with ExitStack() as kept:
        if machine.units > 1:
            kept.enter_context(holding(machine, machine.units - 1))
        holder = jobs.submit(films[0], overrides=SLOW)
        jobs.wait_for(holder, is_encoding)
        waiter = jobs.submit(films[1], overrides=SLOW)
        jobs.wait_for(waiter, lambda job: is_waiting(job, 1))

        for engine in engines(stack.stack_id, holder):
            os.kill(engine.pid, signal.SIGKILL)
        jobs.wait_for(waiter, lambda job: not is_waiting(job, 1), timeout=15)
        ended = [jobs.wait(job_id) for job_id in (waiter, holder)]

    assert [(job["state"], job["attempt"]) for job in ended] == [("succeeded", 1), ("succeeded", 2)], ended


def test_cancel_ends_the_wait_for_a_slot(
    jobs: JobClient, films: list[str], machine: EncodeSlots, wait_until: Callable[..., None]
) -> None:
    with holding(machine, machine.units):
        job_id = jobs.submit(films[0], overrides=SLOW)
        jobs.wait_for(job_id, lambda job: is_waiting(job, 1))

        jobs.http.post(f"/api/v1/jobs/{job_id}/cancel")

        assert jobs.wait(job_id, timeout=15)["state"] == "cancelled"
        wait_until(lambda: not list(machine.directory.glob("ticket-*")), 10, "its place in the queue to be given up")


def test_a_job_that_waits_for_its_gpu_run_holds_no_slot(
    jobs: JobClient, stack: Stack, films: list[str], machine: EncodeSlots
) -> None:
    gpu_pool = f"{stack.prefect_api_url}/work_pools/gpu"
    httpx.patch(gpu_pool, json={"is_paused": True}).raise_for_status()
    try:
        job_id = jobs.submit(films[0], overrides={"video.preset": "ultrafast", "captions.enabled": False})
        jobs.wait_for(job_id, lambda job: "gpu pool" in jobs.log_text(job_id))
        with holding(machine, machine.units) as grant:
            assert grant.threads == machine.units
            assert jobs.job(job_id)["state"] == "running"
    finally:
        httpx.patch(gpu_pool, json={"is_paused": False}).raise_for_status()

    assert jobs.wait(job_id)["state"] == "succeeded"
