import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from deployments.children import MARKER, Child, Command, end_marked
from deployments.errors import ComponentError
from tests.conftest import WaitUntil


def python(code: str, name: str = "component", **options: object) -> Command:
    environment = options.pop("environment", dict(os.environ))
    return Command(name, (sys.executable, "-c", code), environment, Path("/"), **options)  # type: ignore[arg-type]


SLEEP = "import time; time.sleep(600)"
STUBBORN_WITH_CHILD = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_component_that_ends_while_it_starts_is_reported_with_its_log(tmp_path: Path) -> None:
    child = Child(python("print('no such table'); raise SystemExit(3)", ready=lambda _: False), tmp_path)

    with pytest.raises(ComponentError, match=r"(?s)`component` ended by itself with exit code 3.*no such table"):
        child.wait_until_ready()


def test_a_component_that_never_answers_is_given_up(tmp_path: Path) -> None:
    child = Child(python(SLEEP, ready=lambda _: False, ready_seconds=0.2), tmp_path)

    with pytest.raises(ComponentError, match="was not ready"):
        child.wait_until_ready()
    child.stop()


def test_stopping_ends_the_whole_group_even_of_a_component_that_ignores_it(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    child = Child(python(STUBBORN_WITH_CHILD), tmp_path)
    wait_until(child.log_tail, description="the grandchild's pid")
    grandchild = int(child.log_tail())

    child.stop(grace_seconds=0.2)

    assert child.exit_code() == -signal.SIGKILL
    wait_until(lambda: not psutil.pid_exists(grandchild), description="the grandchild's end")


def test_components_can_be_interrupted_also_where_the_stack_runs_in_the_background(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = Child(python(SLEEP), tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    wait_until(lambda: len(psutil.Process(child.pid).cmdline()) == 3, 10, "the guard to have become it")

    os.kill(child.pid, signal.SIGINT)

    wait_until(lambda: child.exit_code() is not None, 10, "it to end")


def test_components_end_when_the_stack_is_killed(tmp_path: Path, wait_until: WaitUntil) -> None:
    starter = f"""
import os, sys, time
from pathlib import Path
from deployments.children import Child, Command
child = Child(Command("c", (sys.executable, "-c", {SLEEP!r}), dict(os.environ), Path("/")), Path({str(tmp_path)!r}))
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        # Before it is replaced, the guard is not under the kernel's watch yet.
        wait_until(lambda: "guard.py" not in " ".join(psutil.Process(pid).cmdline()), description="the component")
        parent.kill()

    wait_until(lambda: not psutil.pid_exists(pid), description="the component's end")


def test_processes_that_left_their_group_are_found_by_their_mark(wait_until: WaitUntil) -> None:
    stack_id = uuid.uuid4().hex
    stray = subprocess.Popen(
        [sys.executable, "-c", SLEEP], env={**os.environ, MARKER: stack_id}, start_new_session=True
    )

    # The kernel lays out the new program's environment a moment after it has begun.
    wait_until(lambda: psutil.Process(stray.pid).environ().get(MARKER), description="the mark")
    assert end_marked(stack_id) == 1
    assert stray.wait(5) is not None
    assert end_marked(stack_id) == 0
