"""Child processes of the stack: each in its own session, ending with its parent, logging to a file of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from deployments import guard
from deployments.errors import ComponentError

MARKER = "DAILIES_STACK_ID"
TAIL_BYTES = 4000
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Command:
    """How one component is started, seen to be ready, and ended.

    ``ready`` is given the time of the start, so that it can tell this process's traces from its predecessor's.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    ready: Callable[[datetime], bool] = field(default=lambda _started_at: True)
    ready_seconds: float = 90.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_whole_group: bool = False
    user_id: int | None = None


def guarded(command: Command, parent_pid: int) -> list[str]:
    """Return the command line that runs the component as its user and ends it with its parent."""
    user = "-" if command.user_id is None else str(command.user_id)
    guard_path = str(Path(guard.__file__).resolve())
    options = [str(parent_pid), str(int(command.stop_signal)), user]
    return [sys.executable, "-I", "-S", guard_path, *options, "--", *command.argv]


class Child:
    """One started component; lives until :meth:`stop`."""

    def __init__(self, command: Command, log_directory: Path) -> None:
        self.command = command
        self.log_path = log_directory / f"{command.name}.log"
        self.started_at = datetime.now(UTC)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = self.command
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                guarded(command, os.getpid()),
                cwd=command.directory,
                env=dict(command.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def name(self) -> str:
        """The component's name."""
        return self.command.name

    @property
    def pid(self) -> int:
        """The process id; also the id of its process group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return how it ended (negative: the signal's number), or None while it runs."""
        return self._process.poll()

    def log_tail(self) -> str:
        """Return the end of the log."""
        with self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - TAIL_BYTES))
            return log.read().decode("utf-8", "replace").strip()

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            ComponentError: It has ended.
        """
        if (code := self.exit_code()) is not None:
            raise self._failure(f"ended by itself with exit code {code}")

    def wait_until_ready(self) -> None:
        """Return as soon as the component answers.

        Raises:
            ComponentError: It ended, or did not answer in time.
        """
        deadline = time.monotonic() + self.command.ready_seconds
        while not self.command.ready(self.started_at):
            self.check()
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready after {self.command.ready_seconds:.0f} s")
            time.sleep(POLL_SECONDS)
        self.check()

    def wait_until_done(self, timeout_seconds: float) -> None:
        """Wait for a component that does its work and ends.

        Raises:
            ComponentError: It failed or took too long.
        """
        try:
            code = self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise self._failure(f"had not finished after {timeout_seconds:.0f} s") from error
        if code != 0:
            raise self._failure(f"failed with exit code {code}")

    def stop(self, grace_seconds: float = 10.0) -> None:
        """End the component: its stop signal, then SIGKILL for whatever is left of its group."""
        if self.exit_code() is None:
            self._send(self.command.stop_signal)
            try:
                self._process.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                _signal_group(self.pid, signal.SIGKILL)
        _signal_group(self.pid, signal.SIGKILL)
        self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        if self.command.stop_whole_group:
            _signal_group(self.pid, number)
        else:
            self._process.send_signal(number)

    def _failure(self, what: str) -> ComponentError:
        tail = self.log_tail()
        message = f"Component `{self.name}` {what}. The end of {self.log_path}:\n{tail}"
        return ComponentError(message, {"component": self.name, "exit_code": self.exit_code(), "log_tail": tail})


def _signal_group(group_id: int, number: signal.Signals) -> None:
    try:
        os.killpg(group_id, number)
    except ProcessLookupError:
        return


def end_marked(stack_id: str, grace_seconds: float = 5.0) -> int:
    """End every process that carries the stack's id in its environment, and return how many there were.

    Groups do not reach everything: a flow run's encoder leads a session of its own, and a stack that was killed
    leaves its runs behind. The environment is inherited by all of them.
    """
    found = [process for process in psutil.process_iter() if _is_marked(process, stack_id)]
    for process in found:
        _ignoring_gone(process.terminate)
    _, left = psutil.wait_procs(found, timeout=grace_seconds)
    for process in left:
        _ignoring_gone(process.kill)
    psutil.wait_procs(left, timeout=grace_seconds)
    return len(found)


def await_runs(stack_id: str, timeout_seconds: float) -> None:
    """Wait until no process of the stack carries out a flow run, or as long as there is time."""
    runs = [process for process in psutil.process_iter() if _is_marked(process, stack_id) and _is_run(process)]
    psutil.wait_procs(runs, timeout=timeout_seconds)


def _is_run(process: psutil.Process) -> bool:
    try:
        return "PREFECT__FLOW_RUN_ID" in process.environ()
    except (psutil.Error, OSError):
        return False


def _is_marked(process: psutil.Process, stack_id: str) -> bool:
    try:
        return bool(process.pid != os.getpid() and process.environ().get(MARKER) == stack_id)
    except (psutil.Error, OSError):
        return False


def _ignoring_gone(action: Callable[[], None]) -> None:
    try:
        action()
    except psutil.NoSuchProcess:
        return
