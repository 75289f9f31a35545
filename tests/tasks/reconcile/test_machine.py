"""The process table, read on real processes: who works for which run, and who belongs to us."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tasks.media.child import Child, signals_held
from tasks.reconcile.machine import Machine, end, machine_name, read_machine, worker_name

SLEEP = (sys.executable, "-S", "-c", "import time; time.sleep(600)")
HOME, API = Path("/srv/dailies-of-the-test"), "http://127.0.0.1:1/api"
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(wait_until: Callable[..., None]) -> Iterator[Start]:
    """Return a function that starts a sleeper with variables in its environment, and waits until others see it."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([*SLEEP, *arguments], env={**os.environ, **variables})
        started.append(process)
        seen = psutil.Process(process.pid)
        wait_until(lambda: seen.cmdline()[: len(SLEEP)] == list(SLEEP), 5, "it to be what was started")
        wait_until(lambda: variables.items() <= seen.environ().items(), 5, "its environment to be there")
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def look() -> Machine:
    return read_machine(HOME, API + "/")


def test_a_flow_runs_process_is_known_by_its_run(start: Start) -> None:
    run_id = str(uuid.uuid4())
    start(PREFECT__FLOW_RUN_ID=run_id)

    assert run_id in look().running


def test_a_tool_is_no_sign_of_its_runs_life(start: Start) -> None:
    run_id = str(uuid.uuid4())
    start(PREFECT__FLOW_RUN_ID=run_id, DAILIES_RUN_ID=run_id)

    machine = look()

    assert run_id not in machine.running
    assert run_id in {tool.run_id for tool in machine.tools}


def test_a_dead_process_that_nobody_has_reaped_does_not_live(start: Start, wait_until: Callable[..., None]) -> None:
    run_id = str(uuid.uuid4())
    process = start(PREFECT__FLOW_RUN_ID=run_id)
    process.kill()

    wait_until(lambda: run_id not in look().running, 5, "it to be gone from the table")


@pytest.mark.parametrize(
    ("home", "api", "expected"),
    [(str(HOME), API, True), ("/srv/another", API, False), (str(HOME), "http://127.0.0.1:2/api", False)],
)
def test_processes_of_another_installation_are_not_ours(start: Start, home: str, api: str, expected: bool) -> None:
    run_id = str(uuid.uuid4())
    start(DAILIES_RUN_ID=run_id, DAILIES_HOME=home, PREFECT_API_URL=api)

    (tool,) = (tool for tool in look().tools if tool.run_id == run_id)

    assert tool.is_own is expected


def test_a_tool_knows_whether_the_process_that_waits_for_it_lives(
    start: Start, wait_until: Callable[..., None]
) -> None:
    run_id, gone = str(uuid.uuid4()), subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()
    start(DAILIES_RUN_ID=run_id, DAILIES_RUN_PROCESS=str(gone.pid))
    with signals_held():
        waited_for = Child(SLEEP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=None, run_id=run_id)

    def tools() -> dict[int, bool]:
        return {tool.process.pid: tool.has_lost_its_starter for tool in look().tools if tool.run_id == run_id}

    wait_until(lambda: len(tools()) == 2, 10, "both to be what they were started as")
    lost = tools()
    waited_for.end(0)

    assert lost.pop(waited_for.pid) is False
    assert list(lost.values()) == [True]


@pytest.mark.parametrize("option", [("--name", "cpu@test"), ("-n", "cpu@test"), ("--name=cpu@test",)])
def test_workers_are_known_by_the_name_that_they_were_started_with(start: Start, option: tuple[str, ...]) -> None:
    assert "cpu@test" not in look().workers
    start("worker", "start", "--pool", "cpu", *option)

    assert "cpu@test" in look().workers


def test_another_prefects_worker_is_not_ours_whatever_it_is_called(start: Start) -> None:
    name = f"cpu@{uuid.uuid4()}"
    start("worker", "start", "--name", name, PREFECT_API_URL="http://127.0.0.1:2/api")
    assert name not in look().workers

    start("worker", "start", "--name", name, PREFECT_API_URL=API)
    assert name in look().workers


def test_a_worker_is_at_home_where_its_name_says() -> None:
    machine = Machine(machine_name())

    assert machine.is_home_of(worker_name("cpu"))
    assert not machine.is_home_of("cpu@elsewhere")
    assert not machine.is_home_of("ProcessWorker 1234")


def test_what_does_not_end_when_asked_is_killed(tmp_path: Path, wait_until: Callable[..., None]) -> None:
    code = f"""
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(tmp_path / "ready")!r}).touch()
time.sleep(600)
"""
    stubborn, willing = subprocess.Popen([sys.executable, "-S", "-c", code]), subprocess.Popen(SLEEP)
    wait_until(lambda: (tmp_path / "ready").exists(), 10, "it to be ready")

    gone = end([psutil.Process(stubborn.pid), psutil.Process(willing.pid)], grace_seconds=0.5)

    assert {process.pid for process in gone} == {stubborn.pid, willing.pid}
