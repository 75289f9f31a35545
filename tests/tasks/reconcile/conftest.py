"""Flow runs on a real Prefect server (SQLite), brought into any state by hand, and process tables made up or real."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType

from data.database import Database
from deployments.stack import Stack
from tests.fakes.catalogues import make_catalogue
from tests.fakes.deployments import register

HERE = "cpu@here"
ELSEWHERE = "cpu@elsewhere"


class Runs:
    """What workers and processes tell the server, told by hand."""

    def __init__(self, client: SyncPrefectClient, deployment_id: uuid.UUID) -> None:
        self.client = client
        self._deployment_id = deployment_id

    def make(self, *tags: str, **parameters: Any) -> FlowRun:
        return self.client.create_flow_run_from_deployment(self._deployment_id, parameters=parameters, tags=tags)

    def force(self, run: FlowRun, kind: StateType, name: str | None = None) -> None:
        self.client.set_flow_run_state(run.id, State(type=kind, name=name), force=True)

    def taken(self, run: FlowRun, worker: str) -> None:
        """Do what a worker does with a run up to the start of its process."""
        self.force(run, StateType.PENDING)
        labels = {"prefect.worker.name": worker}
        self.client.request("PATCH", "/flow_runs/{id}/labels", path_params={"id": run.id}, json=labels)
        self.force(run, StateType.PENDING, "Submitting")

    def started(self, run: FlowRun, worker: str) -> None:
        self.taken(run, worker)
        self.force(run, StateType.RUNNING)

    def state(self, run: FlowRun) -> State[Any]:
        state = self.client.read_flow_run(run.id).state
        assert state is not None
        return state


@pytest.fixture(scope="module")
def runs(prefect_server: Stack) -> Iterator[Runs]:
    with SyncPrefectClient(prefect_server.prefect_api_url) as client:
        register(client)
        flow_id = client.create_flow_from_name("reconciled")
        yield Runs(client, client.create_deployment(flow_id=flow_id, name="by-hand", work_pool_name="cpu"))


@pytest.fixture
def database(tmp_path: Path, runs: Runs) -> Iterator[Database]:
    """Return a catalogue, and make sure that the server knows the deployments."""
    register(runs.client)
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    make_catalogue(url)
    opened = Database(url)
    yield opened
    opened.close()
