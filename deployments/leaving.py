"""``python -m deployments.leaving --drain-seconds SECONDS -- WORKER…``: a worker that leaves without breaking its runs.

A stock worker that is told to end ends its runs, and the step that each was at is done again elsewhere. Where workers
come and go with the queue, that would throw away an encode each time one goes. So this process stands before the worker
(:mod:`deployments.service` puts it there). Told to end, it kills the worker alone: nobody takes runs here any more,
those that are under way go on, and answer to pause and cancel by themselves (:mod:`tasks.stopping`). When the last has
ended, or the time is up, it leaves too; a run that is left is then asked to end, and goes back to the queue.

It stays beside the worker for as long as that lives, so it imports little, and nothing of Prefect's.
"""

import argparse
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

import psutil

RUN_MARK = "PREFECT__FLOW_RUN_ID"
HAND_OVER_SECONDS = 30.0
"""How long runs that are asked to end may take to put themselves back into the queue; mostly they need two."""
POLL_SECONDS = 0.5


def attend(command: Sequence[str], drain_seconds: float, report: Callable[[str], None]) -> int:
    """Run a worker until it ends by itself or a signal asks for its end, and return the exit status.

    A second signal cuts the wait for its runs short.

    Args:
        command: The worker's command line.
        drain_seconds: Longest wait for its runs; 0 hands them over at once.
        report: Told what happens, one sentence at a time.
    """
    asked = _Asked()
    with subprocess.Popen(command) as worker:
        while worker.poll() is None and not asked.wait(POLL_SECONDS):
            pass
        if worker.returncode is not None:
            return worker.returncode
        runs = _detach(worker)
    report(f"Told to end: no more runs are taken here; {len(runs)} go on for up to {drain_seconds:.0f} s.")
    left = _await(runs, drain_seconds, asked)
    for run in left:
        _ignoring_gone(run.terminate)
    if left:
        report(f"{len(left)} runs go back to the queue.")
        psutil.wait_procs(left, HAND_OVER_SECONDS)
    return 0


class _Asked:
    """How often this process has been asked to end."""

    def __init__(self) -> None:
        self.times = 0
        self._event = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def wait(self, seconds: float) -> bool:
        """Wait for the first time; say whether it has come."""
        return self._event.wait(seconds)

    def _ask(self, _number: int, _frame: object) -> None:
        self.times += 1
        self._event.set()


def _detach(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Kill a worker and return the processes that it had started for runs; they stay.

    It is halted first, so that it cannot start one more between the look and its end.
    """
    worker.send_signal(signal.SIGSTOP)
    runs = [child for child in _children(worker.pid) if _carries_a_run(child)]
    worker.kill()
    worker.wait()
    return runs


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []


def _carries_a_run(process: psutil.Process) -> bool:
    try:
        return RUN_MARK in process.environ()
    except (psutil.Error, OSError):
        return False


def _await(runs: list[psutil.Process], seconds: float, asked: _Asked) -> list[psutil.Process]:
    """Wait for runs; return those that are left."""
    deadline = time.monotonic() + seconds
    left = runs
    while left and time.monotonic() < deadline and asked.times < 2:
        _, left = psutil.wait_procs(left, POLL_SECONDS)
    return left


def _ignoring_gone(action: Callable[[], None]) -> None:
    try:
        action()
    except psutil.NoSuchProcess:
        return


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.leaving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--drain-seconds", type=float, default=0.0, help="longest wait for runs (default: %(default)s)")
    parser.add_argument("worker", nargs="+", metavar="WORKER", help="the worker's command line, after `--`")
    options = parser.parse_args(arguments)
    return attend(options.worker, options.drain_seconds, lambda sentence: print(sentence, flush=True))


if __name__ == "__main__":
    sys.exit(main())
