"""Long sources in chunks, on a real stack: a killed job goes on after its last finished chunk, and others may help."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName

from deployments.environment import isolated
from deployments.stack import Stack
from tests.conftest import WaitUntil
from tests.fakes.job_client import JobClient
from tests.fakes.stack_processes import encoders, engines
from tests.faults.conftest import NothingIsLeft, ended, own_film, store_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FILM_SECONDS = 8
PIECE = re.compile(r"/chunks/[^/]+/record\.json$")
CHUNKED: dict[str, Any] = {"recipe": "quick", "overrides": {"video.preset": "medium", "video.segment_seconds": 1}}


@pytest.fixture(scope="module")
def stack(state_home: Callable[[str], Path], media_root: Path) -> Iterator[Stack]:
    """A stack whose sources are long from four seconds on, and where another run helps with each."""
    environment = {
        **isolated(),
        "DAILIES_INGEST__ALLOWED_ROOTS": f'["{media_root}"]',
        "DAILIES_MEDIA__CHUNK_SECONDS": "2",
        "DAILIES_MEDIA__CHUNK_HELPERS": "1",
        "DAILIES_MEDIA__ENCODE_SLOTS": "1",
    }
    with Stack(state_home("chunks"), environment=environment) as running:
        yield running


def finished(stack: Stack) -> set[str]:
    """The records of the pieces that are kept, of whichever job."""
    return {stored.key for stored in store_of(stack).list("packages/") if PIECE.search(stored.key)}


def test_a_killed_job_goes_on_after_its_last_finished_chunk(
    jobs: JobClient, stack: Stack, media_root: Path, wait_until: WaitUntil, nothing_is_left: NothingIsLeft
) -> None:
    job_id = jobs.submit(str(own_film(media_root / "killed.mp4", FILM_SECONDS)), **CHUNKED)
    wait_until(lambda: len(finished(stack)) >= 2, 90, "two pieces to be kept")
    for engine in engines(stack.stack_id, job_id):
        engine.kill()
    kept = len(finished(stack))

    (job,) = ended(jobs, stack, [job_id])

    log = jobs.log_text(job_id)
    found = [(int(pieces), int(there)) for pieces, there in re.findall(r"in (\d+) pieces; (\d+) are there", log)]
    assert (job["state"], job["attempt"]) == ("succeeded", 2), log
    pieces, there = found[-1]  # what the first attempt told may have died with it
    assert pieces == 5
    assert there >= kept >= 2
    assert "Encoded in 4 chunks, joined by copying." in log
    assert jobs.publication(job)["duration_seconds"] == pytest.approx(FILM_SECONDS, abs=0.3)
    assert finished(stack) == set()
    nothing_is_left("a job in chunks killed", stack, [job_id])


def test_another_run_helps_and_a_cancelled_job_takes_it_along(
    jobs: JobClient, stack: Stack, media_root: Path, wait_until: WaitUntil
) -> None:
    helped = helpers(stack).count("COMPLETED")
    job = jobs.succeed(str(own_film(media_root / "helped.mp4", 2 * FILM_SECONDS)), **CHUNKED)
    assert helpers(stack).count("COMPLETED") > helped
    assert [step["name"] for step in job["steps"]].count("transcode") == 1  # it tells of its own progress alone

    before = len(helpers(stack))
    other = jobs.submit(str(own_film(media_root / "cancelled.mp4", FILM_SECONDS)), **CHUNKED)
    wait_until(lambda: len(helpers(stack)) > before, 90, "another helper")
    jobs.http.post(f"/api/v1/jobs/{other}/cancel").raise_for_status()
    assert jobs.wait(other)["state"] == "cancelled"
    wait_until(lambda: set(helpers(stack)) <= {"COMPLETED", "CANCELLED", "FAILED"}, 60, "all helpers to end")
    wait_until(lambda: not encoders(stack.stack_id), 20, "all encoders to end")


def helpers(stack: Stack) -> list[str]:
    """The types of the states of all runs that were made to help."""
    with SyncPrefectClient(stack.prefect_api_url) as prefect:
        runs = prefect.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["transcode-chunk"])))
    return [run.state_type.value for run in runs if run.state_type]


def test_a_paused_job_rests_after_its_chunk_and_goes_on_with_the_next(
    jobs: JobClient, stack: Stack, media_root: Path, wait_until: WaitUntil
) -> None:
    others = finished(stack)
    job_id = jobs.submit(str(own_film(media_root / "paused.mp4", FILM_SECONDS)), **CHUNKED)
    wait_until(lambda: finished(stack) - others, 90, "a piece to be kept")
    jobs.http.post(f"/api/v1/jobs/{job_id}/pause").raise_for_status()
    jobs.wait_for(job_id, lambda job: job["state"] == "paused", 60)
    wait_until(lambda: not engines(stack.stack_id, job_id), 20, "the process to be gone")
    kept = len(finished(stack) - others)

    jobs.http.post(f"/api/v1/jobs/{job_id}/resume").raise_for_status()
    job = jobs.wait(job_id)

    log = jobs.log_text(job_id)
    there = [int(number) for number in re.findall(r"in 5 pieces; (\d+) are there", log)]
    assert (job["state"], job["attempt"]) == ("succeeded", 1), log
    assert there[0] == 0
    assert kept <= there[-1] < 5
