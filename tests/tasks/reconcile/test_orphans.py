"""Tools without their run are ended, and nothing else is."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from tasks.reconcile.machine import Machine, Marked, read_machine
from tasks.reconcile.orphans import end_orphans, find_orphans
from tests.tasks.reconcile.conftest import HERE, Runs

RUN = str(uuid.uuid4())
LATER = datetime.now(UTC) + timedelta(minutes=10)
"""By then every grace is over."""


def tool(*, is_own: bool = True, is_lost: bool = False) -> Marked:
    return Marked(psutil.Process(), RUN, is_own, is_lost)


def run_in(kind: StateType) -> FlowRun:
    return FlowRun(id=uuid.UUID(RUN), flow_id=uuid.uuid4(), state=State(type=kind, timestamp=datetime.now(UTC)))


def orphans(*tools: Marked, runs: tuple[Marked, ...] = (), kind: StateType | None, at: datetime = LATER) -> int:
    known = {RUN: run_in(kind)} if kind else {}
    return len(list(find_orphans(Machine("here", runs=runs, tools=tools), known, at)))


@pytest.mark.parametrize("kind", [StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED])
def test_the_tool_of_a_run_that_has_ended_is_an_orphan(kind: StateType) -> None:
    assert orphans(tool(), kind=kind) == 1


@pytest.mark.parametrize("kind", [StateType.RUNNING, StateType.CANCELLING, StateType.PAUSED, StateType.CRASHED])
def test_the_tool_of_a_living_process_is_none(kind: StateType) -> None:
    assert orphans(tool(), kind=kind) == 0


@pytest.mark.parametrize("kind", [None, *StateType])
def test_a_tool_whose_process_is_gone_is_an_orphan_whatever_its_run_says(kind: StateType | None) -> None:
    assert orphans(tool(is_lost=True), kind=kind) == 1


def test_a_tool_of_another_installation_is_left_alone() -> None:
    assert orphans(tool(is_own=False, is_lost=True), kind=None) == 0


def test_a_run_that_ends_has_time_to_take_its_tools_along() -> None:
    assert orphans(tool(is_lost=True), kind=StateType.COMPLETED, at=datetime.fromtimestamp(0, UTC)) == 0


@pytest.mark.parametrize("kind", list(StateType))
def test_the_process_of_a_run_is_ended_only_when_somebody_asked_for_it_long_ago(kind: StateType) -> None:
    engine = Marked(psutil.Process(), RUN, is_own=True)
    is_stopped = kind in (StateType.CANCELLING, StateType.CANCELLED)

    assert orphans(runs=(engine,), kind=kind) == int(is_stopped)
    assert orphans(runs=(engine,), kind=kind, at=datetime.now(UTC)) == 0


@pytest.mark.slow
def test_a_real_orphan_is_ended_and_its_neighbour_lives(
    runs: Runs, wait_until: Callable[..., None], tmp_path: object
) -> None:
    home, api = os.path.realpath(str(tmp_path)), str(runs.client.api_url)
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()
    job = runs.make()
    runs.started(job, HERE)
    mark = {"DAILIES_RUN_ID": str(job.id), "DAILIES_HOME": home, "PREFECT_API_URL": api}
    sleep = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    orphan = subprocess.Popen(sleep, env={**os.environ, **mark, "DAILIES_RUN_PROCESS": str(gone.pid)})
    neighbour = subprocess.Popen(sleep, env={**os.environ, **mark, "DAILIES_RUN_PROCESS": str(os.getpid())})

    def ended() -> bool:
        machine = read_machine(Path(home), api)
        return any(str(orphan.pid) in each for each in end_orphans(runs.client, machine))

    try:
        wait_until(ended, 30, "the orphan to be old enough and to be ended")
        assert orphan.wait(5) is not None
        assert neighbour.poll() is None
    finally:
        for process in (orphan, neighbour):
            process.kill()
            process.wait()
