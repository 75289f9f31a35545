"""What the fault suites share: a user of the API, a film of each test's own, and what is left of a job."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from data.settings import Settings, StorageSettings
from data.storage import ObjectStore, open_store
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.fakes.aftermath import Complaint, complaints
from tests.fakes.clips import clip
from tests.fakes.fault_table import PROPERTY, FaultRow
from tests.fakes.job_client import TERMINAL, JobClient
from tests.fakes.upkeep import Upkeep

NothingIsLeft = Callable[[str, Stack, Sequence[str]], None]
CLEAN_SECONDS = 150.0
LOOK_SECONDS = 1.0


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[JobClient]:
    client = JobClient(stack.api_url)
    yield client
    client.close()


@pytest.fixture
def film(media_root: Path, request: pytest.FixtureRequest) -> Path:
    """Forty seconds of film that are this test's own, so that no other test's work is found again."""
    return own_film(media_root / f"{request.node.name}.mp4")


def own_film(target: Path, seconds: int = 40) -> Path:
    """Make a film with a title of its own, so that its bytes are too."""
    command = [find_tools().ffmpeg, "-v", "error", "-y", "-ss", "100", "-t", str(seconds), "-i", clip("bbb")]
    subprocess.run(
        [*command, "-c", "copy", "-metadata", f"title={target.parent.name}/{target.name}", target], check=True
    )
    return target


@pytest.fixture
def nothing_is_left(request: pytest.FixtureRequest) -> NothingIsLeft:
    """Return the check after a fault: all jobs end, and all is as if nothing had been; adds to the table of faults."""

    def check(fault: str, stack: Stack, job_ids: Sequence[str]) -> None:
        jobs = JobClient(stack.api_url)
        try:
            found = _settled(stack, jobs, job_ids)
            ended = [jobs.job(job_id) for job_id in job_ids]
        finally:
            jobs.close()
        request.node.user_properties.append((PROPERTY, FaultRow.of(fault, ended, found).line()))
        assert [complaint.text for complaint in found] == []

    return check


def _settled(stack: Stack, jobs: JobClient, job_ids: Sequence[str]) -> list[Complaint]:
    """Return what is still wrong once there is nothing, or when the time is over; each look decodes films."""
    store, upkeep = store_of(stack), Upkeep(stack.prefect_api_url)
    deadline = time.monotonic() + CLEAN_SECONDS
    while (found := complaints(stack, store, jobs, job_ids)) and time.monotonic() < deadline:
        upkeep.hasten()
        time.sleep(LOOK_SECONDS)
    return found


def store_of(stack: Stack) -> ObjectStore:
    """Return the object store that the stack uses."""
    names = {"endpoint_url": "ENDPOINT_URL", "access_key": "ACCESS_KEY", "secret_key": "SECRET_KEY"}
    given = {field: stack.environment.get(f"DAILIES_STORAGE__{name}") or None for field, name in names.items()}
    settings = Settings(storage=StorageSettings(url=stack.addresses.storage_url, **given))
    return open_store(settings.storage_url, **settings.storage_options)


def ended(jobs: JobClient, stack: Stack, job_ids: Sequence[str], timeout: float = 240) -> list[dict[str, object]]:
    """Wait until all jobs have ended, having upkeep look after them before its minute; return them."""
    upkeep = Upkeep(stack.prefect_api_url, first_after_seconds=8)

    def has_ended(job: dict[str, object]) -> bool:
        upkeep.hasten()
        return job["state"] in TERMINAL

    return [jobs.wait_for(job_id, has_ended, timeout) for job_id in job_ids]
