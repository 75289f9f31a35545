"""The keeper: parent of one run, from its fork to its end.

It is a process of its own rather than a part of the server, so that a run outlives the server. It adopts whatever the
run starts (``PR_SET_CHILD_SUBREAPER``), so that nothing of a run outlives the run, whatever session it is in: when the
run has ended or its launcher is gone, what is left is asked to end (TERM) and then ended (KILL).

What deliberately serves several runs leads a session of its own, without ``PREFECT__FLOW_RUN_ID`` in its environment.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import time
from pathlib import Path

from deployments.warm.run import Request, Run, receive_request, show_keeper

REQUEST_SECONDS = 30.0
# From TERM to KILL. Less than ten seconds from a cancel to the end of the whole tree, whatever the run is stuck in.
STOP_SECONDS = 7.0
LEFTOVER_SECONDS = 2.5
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)


def keep(connection: socket.socket, identity: bytes) -> Run | None:
    """Fork the run that the launcher asks for; return it in the forked process, and never in the keeper.

    Args:
        connection: To the launcher.
        identity: Of this server; a run that needs another one is refused.
    """
    os.setsid()
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    connection.settimeout(REQUEST_SECONDS)
    try:
        connection.sendall(b"ready\n")
        request = receive_request(connection)
    except OSError:  # the launcher is gone, and nothing has been started
        os._exit(1)
    connection.setblocking(True)
    if request.identity() != identity:
        connection.sendall(b"no fork server for these settings\n")
        os._exit(1)
    keeper = os.getpid()
    child = os.fork()
    if not child:
        # Before anything else: a keeper that is killed takes the run with it.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != keeper:
            os._exit(1)
        connection.close()
        os.setsid()
        return Run(request)
    request.close_streams()
    show_keeper(request)
    Keeper(connection, child, request).stay()
    os._exit(0)


class Keeper:
    """Watches one run; lives until the run and everything that it started is gone.

    Args:
        connection: To the launcher: signals come in, the exit code goes out; it breaks when the launcher dies.
        child: The run's process.
        request: What the run was asked to be.
    """

    def __init__(self, connection: socket.socket, child: int, request: Request) -> None:
        self._connection = connection
        self._child = child
        self._marker = f"PREFECT__FLOW_RUN_ID={request.flow_run_id}".encode() if request.flow_run_id else b""
        self._exit_code: int | None = None
        self._kill_at: float | None = None
        self._wakeup, self._wakeup_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def stay(self) -> None:
        """Stay until the run has ended, end what it left, and report its exit code to the launcher."""
        signal.set_wakeup_fd(self._wakeup_writer)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda _number, _frame: self._stop())
        self._send(f"started {self._child}")
        self._reap()
        while self._exit_code is None:
            self._wait()
        self._end_leftovers()
        self._send(f"exit {self._exit_code}")

    def _wait(self) -> None:
        """Wait for a signal to pass on, the launcher's end, the run's end, or the time to kill it."""
        timeout = None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())
        watched: list[int | socket.socket] = [self._wakeup]
        if self._connection.fileno() >= 0:
            watched.append(self._connection)
        readable, _, _ = select.select(watched, [], [], timeout)
        if self._wakeup in readable:
            os.read(self._wakeup, 4096)
        if self._connection in readable:
            self._pass_on()
        self._reap()
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._signal(signal.SIGKILL)

    def _pass_on(self) -> None:
        """Give the run the signals that the launcher received; without a launcher, nobody wants the run any more."""
        try:
            numbers = self._connection.recv(64)
        except OSError:
            numbers = b""
        if not numbers:
            self._connection.close()
            self._stop()
        for number in numbers:
            self._signal(number)
            if number == signal.SIGTERM:
                self._kill_later()

    def _stop(self) -> None:
        self._signal(signal.SIGTERM)
        self._kill_later()

    def _kill_later(self) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + STOP_SECONDS

    def _signal(self, number: int) -> None:
        if self._exit_code is None:  # not reaped yet: the number is still this process's
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, number)

    def _reap(self) -> None:
        """Take note of the run's end, and of the end of what was adopted."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._child:
                    self._exit_code = os.waitstatus_to_exitcode(status)

    def _end_leftovers(self) -> None:
        """End what the run left: TERM, and KILL for what is still there, or appears, after a while."""
        kill_at = time.monotonic() + LEFTOVER_SECONDS
        asked: set[int] = set()
        while left := self._leftovers():
            must_end = time.monotonic() >= kill_at
            for pid in left if must_end else left - asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if must_end else signal.SIGTERM)
            asked |= left
            select.select([self._wakeup], [], [], 0.05)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup, 4096)
            self._reap()

    def _leftovers(self) -> set[int]:
        """Return the adopted processes that belong to the run; those of its group or session count without a mark."""
        return {pid for pid in adopted() if self._is_of_run(pid)}

    def _is_of_run(self, pid: int) -> bool:
        try:
            if os.getsid(pid) == self._child:
                return True
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except PermissionError:
            return True
        except OSError:
            return False
        return bool(self._marker) and self._marker in environment.split(b"\0")

    def _send(self, line: str) -> None:
        if self._connection.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._connection.sendall(f"{line}\n".encode())


def adopted() -> set[int]:
    """Return the children of this process that still run: after the run's end, what it left."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii")
    return {int(pid) for pid in children.split()}
