"""A worker leaves: with a stand-in for the worker, which starts two stand-ins for runs and one thing that is none."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from deployments.components import PROJECT
from tests.conftest import WaitUntil

RUN = """
import signal, sys, time
from pathlib import Path
place, name, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
def end(*_):
    (place / f"{name}.handed-over").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
(place / f"{name}.started").touch()
deadline = time.monotonic() + seconds
while time.monotonic() < deadline and not (place / "finish").exists():
    time.sleep(0.05)
(place / f"{name}.finished").touch()
"""
WORKER = """
import os, subprocess, sys
place, run = sys.argv[1:3]
marked = {**os.environ, "PREFECT__FLOW_RUN_ID": "1"}
first, second = (subprocess.Popen([sys.executable, "-S", "-c", run, place, name, "60"], env=marked) for name in "ab")
first.wait(); second.wait()
sys.exit(7)
"""


@dataclass(frozen=True)
class Attended:
    """A worker's attendant that runs."""

    process: "subprocess.Popen[str]"
    place: Path

    def has(self, *names: str) -> bool:
        return all((self.place / name).exists() for name in names)

    def worker(self) -> psutil.Process:
        [worker] = psutil.Process(self.process.pid).children()
        return worker


Attending = Callable[[float], AbstractContextManager[Attended]]


@pytest.fixture
def attended(tmp_path: Path, wait_until: WaitUntil) -> Attending:
    @contextmanager
    def running(drain_seconds: float) -> Iterator[Attended]:
        command = [sys.executable, "-m", "deployments.leaving", "--drain-seconds", str(drain_seconds), "--"]
        command += [sys.executable, "-S", "-c", WORKER, str(tmp_path), RUN]
        with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
            found = Attended(process, tmp_path)
            family: list[psutil.Process] = []
            try:
                wait_until(lambda: found.has("a.started", "b.started"), 30, "both runs to start")
                family = psutil.Process(process.pid).children(recursive=True)
                yield found
            finally:
                for each in [*family, process]:
                    with suppress(psutil.NoSuchProcess):
                        each.kill()

    return running


def test_runs_finish_after_their_worker_has_gone(attended: Attending, wait_until: WaitUntil) -> None:
    with attended(60) as life:
        worker = life.worker()
        life.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not worker.is_running(), 10, "the worker to be gone")
        assert not life.has("a.finished")
        assert life.process.poll() is None

        (life.place / "finish").touch()

        assert life.process.wait(10) == 0
        assert life.has("a.finished", "b.finished")
        assert not life.has("a.handed-over")


@pytest.mark.parametrize(("drain_seconds", "signals"), [(0, 1), (60, 2)])
def test_runs_are_handed_over_when_time_is_up_or_somebody_is_in_a_hurry(
    drain_seconds: float, signals: int, attended: Attending, wait_until: WaitUntil
) -> None:
    with attended(drain_seconds) as life:
        worker = life.worker()
        life.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not worker.is_running(), 10, "the worker to be gone")
        for _ in range(signals - 1):
            life.process.send_signal(signal.SIGTERM)

        assert life.process.wait(15) == 0
        assert life.has("a.handed-over", "b.handed-over")
        assert "2 runs go back to the queue." in life.process.communicate()[0]


def test_a_worker_that_ends_by_itself_is_told_of_by_its_status(attended: Attending) -> None:
    with attended(60) as life:
        (life.place / "finish").touch()

        assert life.process.wait(10) == 7
