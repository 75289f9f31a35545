"""Warm starts with the real thing: a Prefect server, its process worker, and flow runs that end in every way."""

import json
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelling

from deployments import components
from deployments.children import Child
from deployments.stack import Stack
from deployments.warm.preload import LIBRARIES
from tests.deployments.warm.sample_pools import ORDINARY, WARM, make_pool
from tests.deployments.warm.warm_project import is_running

pytestmark = pytest.mark.slow

WaitUntil = Callable[..., None]


class Runs:
    """Two pools of one server, warm and ordinary, with a worker each, and the sample flows deployed to both."""

    def __init__(self, stack: Stack, client: SyncPrefectClient, runtime: Path) -> None:
        self.client = client
        self.name = uuid.uuid4().hex[:6]
        self.runtime = runtime
        self.environment = {**stack.environment, "XDG_RUNTIME_DIR": str(runtime), "PREFECT_WORKER_QUERY_SECONDS": "0.5"}
        for kind, command in (("warm", WARM), ("ordinary", ORDINARY)):
            make_pool(client, f"{kind}-{self.name}", command)
        self.workers = [self._start_worker(stack, f"{kind}-{self.name}") for kind in ("warm", "ordinary")]

    def _start_worker(self, stack: Stack, pool: str) -> Child:
        command = components.worker(pool, stack.addresses, self.environment)
        return Child(command, stack.home / "log")

    def submit(self, flow: str, *, kind: str = "warm", **parameters: Any) -> FlowRun:
        """Trigger a run."""
        deployment = self.client.read_deployment_by_name(f"{flow.replace('_', '-')}/{kind}-{self.name}")
        return self.client.create_flow_run_from_deployment(deployment.id, parameters=parameters)

    def state(self, run: FlowRun) -> Any:
        return self.client.read_flow_run(run.id).state


@pytest.fixture(scope="module")
def runs(prefect_server: Stack, state_home: Callable[[str], Path]) -> Iterator[Runs]:
    with SyncPrefectClient(prefect_server.prefect_api_url) as client:
        runs = Runs(prefect_server, client, state_home("run"))
        for worker in runs.workers:
            worker.wait_until_ready()
        yield runs
        for worker in runs.workers:
            worker.stop()


@pytest.fixture
def finished(runs: Runs, wait_until: WaitUntil) -> Callable[..., Any]:
    def wait(run: FlowRun, timeout: float = 90) -> Any:
        wait_until(lambda: runs.state(run).is_final(), timeout, f"{run.name} to end, it is {runs.state(run)}")
        return runs.state(run)

    return wait


@pytest.fixture
def sleeping(runs: Runs, wait_until: WaitUntil) -> Callable[[], tuple[FlowRun, dict[str, int]]]:
    """Return a function that starts a run which sleeps beside a process of its own; gives the run and the pids."""

    def start() -> tuple[FlowRun, dict[str, int]]:
        path = runs.runtime / f"{uuid.uuid4()}.json"
        run = runs.submit("sleep_with_child", pid_file=str(path))
        wait_until(path.exists, 60, "the flow to be under way")
        wait_until(lambda: runs.state(run).is_running(), 20, "the run to be running")
        return run, json.loads(path.read_text())

    return start


def launcher_of(run: FlowRun, runs: Runs) -> int:
    """Return the pid that the worker knows."""
    return int(str(runs.client.read_flow_run(run.id).infrastructure_pid).rpartition(":")[2])


def test_a_warm_run_completes_and_is_no_different_from_an_ordinary_one(
    runs: Runs, finished: Callable[..., Any]
) -> None:
    seen = {}
    submitted = {}
    for kind in ("warm", "ordinary"):
        path = runs.runtime / f"{kind}.json"
        submitted[kind] = runs.submit("look_around", kind=kind, target=str(path))
    for kind, run in submitted.items():
        state = finished(run)
        assert state.type is StateType.COMPLETED, state
        seen[kind] = json.loads((runs.runtime / f"{kind}.json").read_text())

    for names in seen.values():
        for name in [name for name in names["environment"] if name.startswith("PREFECT__")]:
            del names["environment"][name]  # ids
        del names["settings"]["api"]["ssl_cert_file"]  # on purpose: see _plain_http_settings
    assert seen["warm"].pop("leads_session")
    assert not seen["ordinary"].pop("leads_session")
    assert seen["warm"] == seen["ordinary"]


def test_a_warm_run_finds_everything_imported(runs: Runs, wait_until: WaitUntil) -> None:
    path = runs.runtime / "modules.txt"
    runs.submit("list_modules", target=str(path))
    wait_until(path.exists, 60, "the run to have ended")

    modules = path.read_text().split()
    forked_after = max(modules.index(name) for name in (*LIBRARIES, "flows.maintenance"))
    late = [name for name in modules[forked_after + 1 :] if not name.startswith("tests")]

    # Each costs milliseconds in every single run: add what appears here to deployments/warm/preload.py.
    assert late == []


def test_a_flow_that_exits_with_a_code_is_reported_with_it(runs: Runs, finished: Callable[..., Any]) -> None:
    state = finished(runs.submit("leave_with", code=13))

    assert state.type is StateType.CRASHED
    assert "exited with status code: 13" in state.message


def test_cancel_reaches_cancelled_and_ends_the_runs_own_processes(
    runs: Runs, sleeping: Callable[[], Any], finished: Callable[..., Any]
) -> None:
    run, pids = sleeping()

    runs.client.set_flow_run_state(run.id, Cancelling())

    assert finished(run, timeout=30).type is StateType.CANCELLED
    assert not any(map(is_running, pids.values()))


@pytest.mark.parametrize("victim", ["run", "launcher"])
def test_after_kill_9_the_run_is_crashed_and_nothing_is_left(
    victim: str, runs: Runs, sleeping: Callable[[], Any], finished: Callable[..., Any], wait_until: WaitUntil
) -> None:
    run, pids = sleeping()

    os.kill({**pids, "launcher": launcher_of(run, runs)}[victim], signal.SIGKILL)

    assert finished(run, timeout=30).type is StateType.CRASHED
    wait_until(lambda: not any(map(is_running, pids.values())), 15, "the run and its process to end")


def test_term_from_outside_is_a_crash_as_it_is_without_warm_start(
    runs: Runs, sleeping: Callable[[], Any], finished: Callable[..., Any], wait_until: WaitUntil
) -> None:
    run, pids = sleeping()

    os.kill(launcher_of(run, runs), signal.SIGTERM)

    assert finished(run, timeout=30).type is StateType.CRASHED
    wait_until(lambda: not any(map(is_running, pids.values())), 15, "the run and its process to end")
