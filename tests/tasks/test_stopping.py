"""What makes a run stop, from inside its process; a real Prefect server, and states put there as people put them."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect import states
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateType

from data.domain.jobs import PRIORITY_LABEL, RESTS_LABEL, PauseMode, pause_key
from deployments.stack import Stack
from tests.conftest import WaitUntil

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A process that runs the flow of tests/fakes/stoppable_flow.py."""

    def __init__(self, how: str, server: Stack, **limits: float) -> None:
        environment = {**os.environ, **server.environment, "PREFECT_API_URL": server.prefect_api_url}
        environment |= {f"DAILIES_ORCHESTRATION__{name.upper()}": str(value) for name, value in limits.items()}
        command = [sys.executable, "-m", "tests.fakes.stoppable_flow", *how.split()]
        self.popen = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.client = SyncPrefectClient(server.prefect_api_url)
        self.run_id = uuid.UUID(self.told("run"))

    def told(self, what: str) -> str:
        """Return the next thing that the process says."""
        assert self.popen.stdout is not None
        word, _, value = self.popen.stdout.readline().strip().partition(" ")
        assert word == what, self.popen.communicate(timeout=30)
        return value

    def put(self, state: State[Any]) -> None:
        self.client.set_flow_run_state(self.run_id, state, force=True)

    def state(self) -> State[Any]:
        state = self.client.read_flow_run(self.run_id).state
        assert state is not None
        return state

    def end(self, timeout: float = 30) -> str:
        """Wait for the end; return what was said on the way."""
        output, errors = self.popen.communicate(timeout=timeout)
        return output + errors


def later() -> State[Any]:
    return states.Scheduled(scheduled_time=datetime.now(UTC) + timedelta(hours=1))


Start = Callable[..., Process]


@pytest.fixture
def start(prefect_server: Stack) -> Iterator[Start]:
    started: list[Process] = []

    def start(how: str, **limits: float) -> Process:
        started.append(Process(how, prefect_server, **limits))
        return started[-1]

    yield start
    for process in started:
        process.popen.kill()
        process.popen.communicate()
        process.client._client.close()


def test_a_job_over_its_limit_ends_itself_and_says_so(start: Start) -> None:
    process = start("sleep", job_limit_seconds=3, niceness=10)
    child = int(process.told("child"))
    child_niceness = psutil.Process(child).nice()

    process.end()

    state = process.state()
    assert child_niceness == max(10, psutil.Process().nice())  # what serves people goes first
    assert (state.type, state.name) == (StateType.FAILED, "TimedOut")
    assert "[INFRA.TIME_LIMIT] The job reached its time limit of 3 seconds." in str(state.message)
    assert not psutil.pid_exists(child)


@pytest.mark.slow
def test_a_job_over_its_limit_that_hangs_is_killed_with_its_whole_tree(start: Start, wait_until: WaitUntil) -> None:
    process = start("hang", job_limit_seconds=3)
    child = int(process.told("child"))

    process.end()

    assert process.popen.returncode == 0
    assert process.state().name == "TimedOut"
    wait_until(lambda: not psutil.pid_exists(child), 5, "the child to be gone")


@pytest.mark.slow
def test_waiting_for_others_does_not_count(start: Start) -> None:
    process = start("wait", job_limit_seconds=4)

    assert "result 0" in process.end()


@pytest.mark.slow
def test_the_wait_of_one_lane_counts_while_another_encodes(start: Start) -> None:
    process = start("encode-in-lanes", job_limit_seconds=4)

    told = process.end(timeout=60)

    assert process.state().name == "TimedOut", told


@pytest.mark.slow
def test_the_wait_for_the_next_try_does_not_count(start: Start) -> None:
    process = start("fail-once 6", job_limit_seconds=4)
    process.told("failing")

    assert "result 2" in process.end()


@pytest.mark.slow
def test_a_pause_does_not_await_the_next_try(start: Start) -> None:
    process = start("fail-once 60")
    process.told("failing")
    process.put(states.Suspended(pause_key=pause_key(PauseMode.AFTER_STEP, "x")))

    process.end(timeout=30)

    run = process.client.read_flow_run(process.run_id)
    assert run.state is not None
    assert run.state.name == "Suspended"
    assert run.labels[RESTS_LABEL] == str(run.state.id)


@pytest.mark.slow
def test_a_step_in_which_nothing_happens_is_ended_and_tried_again(start: Start) -> None:
    process = start("stall-once", stall_seconds=2)

    output = process.end()

    assert "INFRA.STEP.STALLED" in output
    assert "result 2" in output


@pytest.mark.slow
def test_a_step_that_hangs_ends_with_its_process(start: Start, wait_until: WaitUntil) -> None:
    process = start("hang", stall_seconds=2)
    child = int(process.told("child"))

    process.end()

    assert process.popen.returncode == 1  # which a worker reports as a crash
    wait_until(lambda: not psutil.pid_exists(child), 5, "the child to be gone")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["sleep", "hang"])
def test_a_pause_at_once_ends_the_step_and_the_run_rests(start: Start, how: str, wait_until: WaitUntil) -> None:
    process = start(how)
    child = int(process.told("child"))
    process.put(states.Suspended(pause_key=pause_key(PauseMode.AT_ONCE, "x")))

    process.end(timeout=10)

    run = process.client.read_flow_run(process.run_id)
    assert run.state is not None
    assert run.state.name == "Suspended"
    assert run.labels[RESTS_LABEL] == str(run.state.id)
    wait_until(lambda: not psutil.pid_exists(child), 5, "the child to be gone")


@pytest.mark.slow
@pytest.mark.parametrize("state", [states.Cancelled(), states.Crashed(), later()], ids=lambda each: each.name)
def test_a_run_that_somebody_else_has_moved_on_stops_and_leaves_it_so(start: Start, state: State[Any]) -> None:
    process = start("sleep")
    process.told("child")
    process.put(state)

    process.end(timeout=10)

    assert process.state().name == state.name


def test_a_run_learns_that_its_priority_was_changed(start: Start) -> None:
    process = start("tell-rank")
    handed_in = process.told("rank")
    process.client.update_flow_run_labels(process.run_id, {PRIORITY_LABEL: "high"})

    changed = process.told("rank")

    assert (handed_in, changed) == ("2", "1")
    assert "result 0" in process.end()


@pytest.mark.slow
def test_a_run_without_a_deployment_is_not_queued_when_its_process_is_asked_to_end(start: Start) -> None:
    process = start("sleep")
    child = int(process.told("child"))
    process.popen.send_signal(signal.SIGTERM)

    process.end(timeout=10)

    assert process.state().type is StateType.CRASHED
    assert not psutil.pid_exists(child)
