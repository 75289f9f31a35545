"""The table of faults: everything that can be killed, taken away, locked or filled, under jobs that must not notice.

Each row is one fault on a stack that goes on living; the check after it is the same for all.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import psycopg
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType

from data.database import normalised_url
from deployments.children import Child
from deployments.environment import isolated
from deployments.stack import Stack
from tests.conftest import WaitUntil
from tests.fakes.file_systems import filled, read_only, small_file_system
from tests.fakes.job_client import JobClient
from tests.fakes.stack_processes import encoders, engines, fork_servers, launchers
from tests.faults.conftest import NothingIsLeft, ended, own_film

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

QUICK: dict[str, Any] = {"recipe": "quick", "overrides": {"video.preset": "medium"}}
"""Some seconds of encoding, so that there is a while in which to disturb it."""
WITH_CHAPTERS: dict[str, Any] = {"recipe": "quick", "overrides": {"video.preset": "medium", "chapters.enabled": True}}
"""With a run on the ``gpu`` pool, which the job makes and waits for."""
AWAY_SECONDS = 30.0
LOCKED_SECONDS = 20.0


@dataclass(frozen=True)
class Scene:
    """What a fault happens to: a stack, its API, and the jobs that are under way."""

    stack: Stack
    jobs: JobClient
    wait_until: WaitUntil
    folder: Path
    ids: list[str]

    def submit(self, name: str, body: dict[str, Any] = QUICK) -> str:
        """Begin one more job, on a film of its own."""
        job_id = self.jobs.submit(str(own_film(self.folder / f"{name}.mp4", 8)), **body)
        self.ids.append(job_id)
        return job_id

    def component(self, name: str) -> Child:
        return next(child for child in self.stack.children if child.name == name)

    def kill(self, name: str) -> None:
        """``kill -9`` of a component; of the server with the process that it starts to do its work."""
        child = self.component(name)
        (os.killpg if name == "prefect-server" else os.kill)(child.pid, signal.SIGKILL)
        self.wait_until(lambda: child.exit_code() is not None, 10, f"the end of {name}")

    def log(self, job_id: str) -> str:
        return self.jobs.log_text(job_id)


Moment = Callable[[Scene], None]
Fault = Callable[[Scene], None]


def while_encoding(scene: Scene) -> None:
    """Wait until an encoder works."""
    scene.wait_until(lambda: encoders(scene.stack.stack_id), 90, "an encoder to run")


def while_all_encode(scene: Scene) -> None:
    scene.wait_until(lambda: len(encoders(scene.stack.stack_id)) >= len(scene.ids), 90, "all encoders to run")


def while_publishing(scene: Scene) -> None:
    """Wait until a candidate is put together."""
    scratch = scene.stack.home / "scratch"
    scene.wait_until(lambda: next(scratch.glob("*/candidate"), None), 120, "a job to publish")


def at_once(_: Scene) -> None:
    """Wait for nothing: the fault begins the job itself."""


def kill_worker(scene: Scene) -> None:
    scene.kill("cpu-worker")
    scene.stack.revive()


def kill_worker_of_pending(scene: Scene) -> None:
    """Kill the worker after it has taken a run, and the launcher with it, before the run's process is there."""
    with stopped(fork_servers(scene.stack.stack_id)), SyncPrefectClient(scene.stack.prefect_api_url) as prefect:
        later = scene.submit("later")

        def is_pending() -> bool:
            return prefect.read_flow_run(UUID(later)).state_type is StateType.PENDING

        scene.wait_until(is_pending, 30, "a worker to take the run")
        scene.kill("cpu-worker")
        for launcher in launchers(scene.stack.stack_id, later):
            launcher.kill()
        assert is_pending()
    scene.stack.revive()


def kill_fork_server(scene: Scene) -> None:
    servers = fork_servers(scene.stack.stack_id)
    assert servers, "runs start warm"
    for server in servers:
        server.kill()


def kill_api(scene: Scene) -> None:
    scene.kill("api")
    scene.stack.revive()


def server_away(scene: Scene) -> None:
    """Half a minute without Prefect, in which the API says so and nobody gives up."""
    scene.kill("prefect-server")
    gone_at = time.monotonic()
    # What the API has just read may be told for a second more.
    scene.wait_until(lambda: ask(scene).status_code == 503, 10, "the API to say so")
    answer = ask(scene)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "INFRA.PREFECT.UNAVAILABLE"
    scene.wait_until(lambda: time.monotonic() - gone_at > AWAY_SECONDS, AWAY_SECONDS + 10, "half a minute to pass")
    survivors = [child.name for child in scene.stack.children if child.exit_code() is None]
    assert survivors == [child.name for child in scene.stack.children if child.name != "prefect-server"]
    scene.stack.revive()
    scene.wait_until(lambda: ask(scene).is_success, 30, "the API to recover")


def ask(scene: Scene) -> httpx.Response:
    """Ask the API for the first job."""
    return scene.jobs.http.get(f"/api/v1/jobs/{scene.ids[0]}")


def catalogue_locked(scene: Scene) -> None:
    """Hold every table of the catalogue, as a careless migration or a person with a console would."""
    url = normalised_url(scene.stack.catalogue_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        tables = ", ".join(name for (name,) in names)
        connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE".encode())
        locked_at = time.monotonic()
        scene.wait_until(lambda: time.monotonic() - locked_at > LOCKED_SECONDS, LOCKED_SECONDS + 10, "the lock")
        connection.rollback()


def full(folder: str) -> Fault:
    """Fill the file system of a folder of the home; give the space back once a job has said so."""

    def fault(scene: Scene) -> None:
        with filled(scene.stack.home / folder):
            says(scene, "INFRA.DISK.FULL")

    return fault


def refusing_writes(scene: Scene) -> None:
    """Make the store's file system read-only, as a kernel does after an error of the disk."""
    with read_only(scene.stack.home / "store", scene.wait_until):
        says(scene, "TRANSIENT.STORE.UNAVAILABLE")


def lease_of_a_jumped_clock(scene: Scene) -> None:
    """Have upkeep's one slot leased until the end of the century by nobody, and a job that needs upkeep."""
    with SyncPrefectClient(scene.stack.prefect_api_url) as prefect:
        limit = prefect.read_deployment_by_name("maintenance/every-minute").global_concurrency_limit
        assert limit is not None
        scene.wait_until(lambda: take_lease(prefect, limit.name), 60, "the slot of upkeep to be free")
    directory = scene.stack.home / "prefect" / "concurrency_leases"
    for path in directory.glob("*.json"):
        path.write_text(re.sub(r'"20\d\d(-[^"]*\+00:00")', r'"2099\1', path.read_text()))
    job_id = scene.submit("needs-upkeep")
    while_encoding(scene)
    for engine in engines(scene.stack.stack_id, job_id):
        engine.kill()


def take_lease(prefect: SyncPrefectClient, limit: str) -> bool:
    body = {"names": [limit], "slots": 1, "mode": "concurrency", "lease_duration": 3600}
    answer = httpx.post(f"{str(prefect.api_url).rstrip('/')}/v2/concurrency_limits/increment-with-lease", json=body)
    return answer.is_success


@contextmanager
def stopped(processes: list[psutil.Process]) -> Iterator[None]:
    """Keep processes from running while the block runs."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def says(scene: Scene, code: str) -> None:
    """Wait until a job's log names a failure of that kind."""
    scene.wait_until(lambda: any(code in scene.log(job_id) for job_id in scene.ids), 60, f"{code} in a log")


@dataclass(frozen=True)
class Row:
    """One fault: what happens, when, to how many jobs, and what else holds afterwards."""

    name: str
    fault: Fault
    moment: Moment
    job_count: int = 2
    body: dict[str, Any] = field(default_factory=lambda: QUICK)
    most_attempts: int = 1
    needs_mounts: bool = False


ROWS = (
    Row("worker killed with two encodes", kill_worker, while_all_encode, most_attempts=2),
    Row("worker killed while a run is PENDING", kill_worker_of_pending, while_encoding, job_count=1, most_attempts=2),
    Row("fork server killed", kill_fork_server, while_encoding, job_count=1, most_attempts=2),
    Row("API killed", kill_api, while_encoding, job_count=1),
    Row("Prefect server away for 30 s while encoding", server_away, while_encoding, body=WITH_CHAPTERS),
    Row("Prefect server away for 30 s while publishing", server_away, while_publishing),
    Row("catalogue locked for 20 s", catalogue_locked, while_encoding),
    Row("lease of a clock that jumped ahead", lease_of_a_jumped_clock, at_once, job_count=0, most_attempts=2),
    Row("no space for scratch", full("scratch"), while_encoding, needs_mounts=True),
    Row("no space in the store", full("store"), while_encoding, needs_mounts=True),
    Row("store refuses writes while encoding", refusing_writes, while_encoding, needs_mounts=True),
    Row("store refuses writes while publishing", refusing_writes, while_publishing, needs_mounts=True),
)


@pytest.fixture(scope="module")
def home(state_home: Callable[[str], Path]) -> Iterator[tuple[Path, bool]]:
    """A state directory whose scratch and store lie on small file systems of their own, where that is possible."""
    place = state_home("faults")
    with small_file_system(place / "scratch") as scratch, small_file_system(place / "store") as store:
        yield place, scratch and store


@pytest.fixture(scope="module")
def stack(home: tuple[Path, bool], media_root: Path) -> Iterator[Stack]:
    """A stack of this module's own: many faults, one after the other."""
    environment = {
        **isolated(),
        "DAILIES_INGEST__ALLOWED_ROOTS": f'["{media_root}"]',
        "DAILIES_RETRY__FIRST_DELAY_SECONDS": "2",
        "DAILIES_MEDIA__ENCODE_SLOTS": "2",
        "DAILIES_MEDIA__ENCODER_THREADS": "1",  # two encodes side by side, whatever the machine
    }
    with Stack(home[0], environment=environment) as running:
        yield running


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_jobs_outlive(
    row: Row,
    home: tuple[Path, bool],
    stack: Stack,
    jobs: JobClient,
    media_root: Path,
    wait_until: WaitUntil,
    nothing_is_left: NothingIsLeft,
) -> None:
    if row.needs_mounts and not home[1]:
        pytest.skip("a file system can be filled or made read-only only where one may be mounted (root)")
    position = ROWS.index(row)
    folder = media_root / f"row-{position}"
    folder.mkdir()
    scene = Scene(stack, jobs, wait_until, folder, [])
    for number in range(row.job_count):
        scene.submit(str(number), row.body)

    row.moment(scene)
    try:
        row.fault(scene)
    finally:
        stack.revive()  # so that a row that fails takes no other along
    done = ended(jobs, stack, scene.ids)

    nothing_is_left(row.name, stack, scene.ids)
    logs = "\n\n".join(jobs.log_text(job_id) for job_id in scene.ids)
    assert [job["state"] for job in done] == ["succeeded"] * len(done), logs
    assert max(job["attempt"] for job in done) <= row.most_attempts, logs
