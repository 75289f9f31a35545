"""The keeper: parent of one run, from its fork to its end.

It is a process of its own rather than a part of the server, so that a run outlives the server; and so that nothing of a
run outlives the run, it adopts and ends what the run leaves (see ``leftovers.py``).
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import time

from deployments.warm.leftovers import adopt_orphans, end_leftovers
from deployments.warm.run import Run, receive_request, show_keeper

REQUEST_SECONDS = 30.0
# From TERM to KILL. Less than ten seconds from a cancel to the end of the whole tree, whatever the run is stuck in.
STOP_SECONDS = 7.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def keep(connection: socket.socket, identity: bytes) -> Run | None:
    """Fork the run that the launcher asks for; return it in the forked process, and never in the keeper.

    Args:
        connection: To the launcher.
        identity: Of this server; a run that needs another one is refused.
    """
    os.setsid()
    adopt_orphans()
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
    Keeper(connection, child).stay()
    os._exit(0)


class Keeper:
    """Watches one run; lives until the run and everything that it started is gone.

    Args:
        connection: To the launcher: signals come in, the exit code goes out; it breaks when the launcher dies.
        child: The run's process.
    """

    def __init__(self, connection: socket.socket, child: int) -> None:
        self._connection = connection
        self._child = child
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
        end_leftovers(self._child, self._reap)
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

    def _send(self, line: str) -> None:
        if self._connection.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._connection.sendall(f"{line}\n".encode())
