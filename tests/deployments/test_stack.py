import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from deployments.children import MARKER
from deployments.components import PROJECT
from deployments.environment import isolated
from deployments.errors import ComponentError, PortTakenError, StackRunningError
from deployments.note import StackNote, is_running, stop_running
from deployments.ports import LOOPBACK
from deployments.stack import Stack
from tests.conftest import WaitUntil


@pytest.fixture(scope="module")
def home(state_home: Callable[[str], Path]) -> Path:
    return state_home("small")


def small(home: Path, said: list[str] | None = None) -> Stack:
    """Return the quickest stack there is."""
    report = (said if said is not None else []).append
    return Stack(home, components=("postgres",), environment=isolated(), report=report)


def marked(stack_id: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == stack_id:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_nothing_is_left_after_a_stack(home: Path) -> None:
    with small(home) as stack:
        assert marked(stack.stack_id)
        assert is_running(home)

    assert marked(stack.stack_id) == []
    assert not is_running(home)
    assert StackNote.read(home) is None


def test_what_a_component_started_beside_its_group_is_ended_too(home: Path) -> None:
    with small(home) as stack:
        stray = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], env=stack.environment, start_new_session=True
        )

    assert stray.wait(5) is not None


def test_a_second_stack_of_a_home_is_refused_and_says_who_has_it(home: Path) -> None:
    with small(home), pytest.raises(StackRunningError, match=rf"process {os.getpid()}, API http"):
        small(home).start()


def test_a_wanted_port_that_is_taken_is_refused_before_anything_starts(home: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        stack = Stack(home, components=("postgres", "api"), api_port=taken.getsockname()[1], environment=isolated())

        with pytest.raises(PortTakenError, match="DAILIES_API__PORT"), stack:
            pytest.fail("it started")
    assert stack.children == ()


def test_a_component_that_dies_is_reported_by_name(home: Path, wait_until: WaitUntil) -> None:
    with small(home) as stack:
        (database,) = stack.children
        os.kill(database.pid, signal.SIGKILL)
        wait_until(lambda: database.exit_code() is not None, description="its end")

        with pytest.raises(ComponentError, match=r"`postgres` ended by itself with exit code -9"):
            stack.check()


def test_a_component_that_dies_is_started_again_by_the_supervisor(home: Path, wait_until: WaitUntil) -> None:
    said: list[str] = []
    with small(home, said) as stack:
        before = stack.children[0]
        os.kill(before.pid, signal.SIGKILL)
        wait_until(lambda: before.exit_code() is not None, description="its end")

        stack.revive()

        stack.check()
        assert stack.children[0].pid != before.pid
        assert "Component `postgres` runs again." in said


def test_what_a_killed_stack_left_is_ended_by_the_next(home: Path, wait_until: WaitUntil) -> None:
    code = f"""
import subprocess, sys, time
from pathlib import Path
from deployments.environment import isolated
from deployments.stack import Stack
stack = Stack(Path({str(home)!r}), components=("postgres",), environment=isolated())
stack.start()
argv = [sys.executable, "-c", "import time; time.sleep(600)"]
sleeper = subprocess.Popen(argv, env=stack.environment, start_new_session=True)
print(sleeper.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        sleeper = int(first.stdout.readline())
        note = StackNote.read(home)
        assert note is not None
        wait_until(lambda: sleeper in [each.pid for each in marked(note.stack_id)], description="a process of its own")
        first.kill()
    wait_until(lambda: [each.pid for each in marked(note.stack_id)] == [sleeper], description="Postgres to end")

    with small(home):
        assert marked(note.stack_id) == []


@pytest.fixture
def up(home: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "deployments.up", "--home", str(home), "--api-port", "0", "--prefect-port", "0"]
    with subprocess.Popen(
        argv, cwd=PROJECT, env={**os.environ, **isolated()}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        yield process
        process.kill()


def is_ready(home: Path, up: subprocess.Popen[str]) -> bool:
    assert up.poll() is None, up.stdout.read() if up.stdout else ""
    note = StackNote.read(home)
    return note is not None and note.pid == up.pid and note.is_ready


@pytest.mark.slow
def test_up_serves_until_it_is_interrupted(home: Path, up: subprocess.Popen[str], wait_until: WaitUntil) -> None:
    wait_until(lambda: is_ready(home, up), 180, "the stack")
    note = StackNote.read(home)
    assert note is not None
    assert httpx.get(f"{note.api_url}/api/v1/health").is_success
    assert httpx.get(f"{note.prefect_ui_url}/api/health").is_success

    up.send_signal(signal.SIGINT)  # by TERM: test_in_memory.py
    output, _ = up.communicate(timeout=60)

    assert up.returncode == 0
    assert note.api_url in output
    assert marked(note.stack_id) == []


@pytest.mark.slow
def test_up_can_be_stopped_from_another_terminal(home: Path, up: subprocess.Popen[str], wait_until: WaitUntil) -> None:
    wait_until(lambda: is_ready(home, up), 180, "the stack")

    assert stop_running(home)

    assert up.wait(10) == 0


def test_the_note_of_a_stack_is_plain_json(home: Path) -> None:
    with small(home) as stack:
        note = json.loads((home / "stack.json").read_text("utf-8"))

    assert note["stack_id"] == stack.stack_id
    assert note["is_ready"]
