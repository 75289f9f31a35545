"""A thousand jobs, a receiver that fails half the time and dies twice, and a relay that is killed twice.

On Postgres, as the product is. On SQLite Prefect's bulk endpoints and its own services lock one another out, once they
do so for minutes, and for all who share that server.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.client.schemas.objects import StateType
from pydantic import SecretStr

from data.database import Database
from data.domain.identity import LOCAL_USER
from data.domain.webhooks import DeliveryState, Endpoint, new_secret
from data.repositories import DeliveryFilter, WebhookEndpointRepository, WebhookOutbox
from data.settings import Settings
from deployments.environment import isolated
from deployments.stack import Stack
from tests.api.conftest import Prefect, with_deployments
from tests.conftest import WaitUntil
from tests.fakes.catalogues import make_catalogue
from tests.fakes.processes import start_server
from tests.fakes.webhook_receiver import Receiver, half_of_the_time, receiving

JOBS = 1000
TOLD = ("job.queued", "job.started", "job.retrying", "job.succeeded")
PROJECT = Path(__file__).resolve().parents[3]


class RelayProcess:
    """`python -m api.relay` on a catalogue; lives as long as the test, and is killed meanwhile."""

    def __init__(self, home: Path, prefect_api_url: str) -> None:
        self._home = home
        self._environment = {
            "DAILIES_HOME": str(home),
            "DAILIES_CATALOGUE__URL": "",
            "DAILIES_WEBHOOKS__ALLOW_PRIVATE_HOSTS": "true",
            "DAILIES_WEBHOOKS__POLL_SECONDS": "0.2",
            "DAILIES_WEBHOOKS__RETRY_SECONDS": json.dumps([0.0] + [0.2] * 300),
            "PREFECT_API_URL": prefect_api_url,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        os.environ.update(self._environment)
        self._process = start_server([sys.executable, "-m", "api.relay"], self._home / "relay.log", PROJECT)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(state_home: Callable[[str], Path]) -> Iterator[Stack]:
    with Stack(state_home("fire"), components=("postgres", "server"), environment=isolated()) as running:
        yield running


@pytest.fixture
def prefect(server: Stack) -> Iterator[Prefect]:
    with with_deployments(server) as prefect:
        yield prefect


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    settings = Settings(home=tmp_path, _env_file=None)
    make_catalogue(settings.catalogue_url)
    opened = Database(settings.catalogue_url)
    yield opened
    opened.close()


@pytest.fixture
def relay(tmp_path: Path, server: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[RelayProcess]:
    for name in [name for name in os.environ if name.startswith("DAILIES_")]:
        monkeypatch.delenv(name)
    process = RelayProcess(tmp_path, server.prefect_api_url)
    for name in process._environment:
        monkeypatch.setenv(name, "")
    yield process
    process.kill()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_jobs_are_told_of_whole_in_order_and_under_one_id_each(
    prefect: Prefect, database: Database, relay: RelayProcess, wait_until: WaitUntil
) -> None:
    with receiving(new_secret(), half_of_the_time(seed=7)) as receiver:
        _listen(database, receiver)
        relay.start()
        jobs = _create(prefect, JOBS)
        wait_until(lambda: len(receiver.hooks) > 50, 120, "the first events")
        relay.kill()
        _move(prefect, jobs, StateType.RUNNING)  # nobody looks
        relay.start()
        _while_it_is_away(receiver, lambda: _move(prefect, jobs, StateType.SCHEDULED, "AwaitingRetry"))
        relay.kill()
        relay.start()
        _while_it_is_away(receiver, lambda: _move(prefect, jobs, StateType.COMPLETED))

        wait_until(lambda: len({hook.id for hook in receiver.hooks}) >= JOBS * len(TOLD), 300, "all events")
        wait_until(lambda: not _pending(database), 30, "the outbox to be empty")
    _hold_up(receiver, jobs)


def _hold_up(receiver: Receiver, jobs: list[str]) -> None:
    first: dict[str, list[str]] = {job: [] for job in jobs}
    ids: dict[tuple[str, int], set[str]] = {}
    known: set[str] = set()
    for hook in receiver.hooks:
        ids.setdefault((hook.data["job_id"], hook.data["sequence"]), set()).add(hook.id)
        if hook.id not in known:
            known.add(hook.id)
            first[hook.data["job_id"]].append(hook.type)

    assert Counter(tuple(types) for types in first.values()) == {TOLD: JOBS}
    assert {len(each) for each in ids.values()} == {1}
    assert len(receiver.refused) > JOBS


def _listen(database: Database, receiver: Receiver) -> None:
    now = datetime.now(UTC)
    with database.session() as session:
        WebhookEndpointRepository(session).add(
            Endpoint(
                id="whk_test",
                owner=LOCAL_USER,
                url=receiver.url,
                secret=SecretStr(receiver.secret),
                created_at=now,
                listening_since=now,
            )
        )


def _pending(database: Database) -> bool:
    with database.session() as session:
        return bool(WebhookOutbox(session).page(DeliveryFilter(states=[DeliveryState.PENDING]), limit=1))


def _create(prefect: Prefect, count: int) -> list[str]:
    """Create runs, a hundred at a time."""
    made: list[str] = []
    path = f"/deployments/{prefect.deployment_id}/create_flow_run/bulk"
    for first in range(0, count, 100):
        runs = [{"tags": ["dailies-job"], "parameters": {}}] * min(100, count - first)
        results = prefect.client.request("POST", path, json=runs).json()["results"]
        assert {each["status"] for each in results} == {"CREATED"}
        made += [each["flow_run_id"] for each in results]
    return made


def _move(prefect: Prefect, jobs: list[str], kind: StateType, name: str | None = None) -> None:
    """Force runs into a state, fifty at a time."""
    for first in range(0, len(jobs), 50):
        chosen = jobs[first : first + 50]
        body = {"flow_runs": {"id": {"any_": chosen}}, "state": {"type": kind.value, "name": name}, "force": True}
        results = prefect.client.request("POST", "/flow_runs/bulk_set_state", json=body).json()["results"]
        assert {each["status"] for each in results} == {"ACCEPT"}
        assert len(results) == len(chosen)


def _while_it_is_away(receiver: Receiver, act: Callable[[], None]) -> None:
    receiver.die()
    act()
    receiver.start()
