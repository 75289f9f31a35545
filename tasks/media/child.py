"""One child process and the group it leads: start it, see that it lives, end it, and leave nothing of it behind."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO

from data.domain.errors import InfrastructureError, ToolMissingError

_PR_SET_PDEATHSIG = 1
_HELD_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1}  # the last is a run's that stops (tasks/stopping.py)
_LONGEST_NAP_SECONDS = 0.05
_NOT_PASSED_ON = {"FFREPORT", "AV_LOG_FORCE_COLOR"}  # make ffmpeg leave report files and colour codes about

# Places in /proc/…/stat, counted after the program's name (which may hold blanks), see proc_pid_stat(5).
_STATE, _PGRP, _UTIME, _STIME = 0, 2, 11, 12
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# Loaded before any fork: a child may not import or look up symbols while another thread of ours held a lock.
# PyDLL, not CDLL: it keeps the interpreter lock, which the only thread of a fresh fork has no one to share with.
_LIBC = ctypes.PyDLL(None) if sys.platform == "linux" else None


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold back what Python turns TERM, INT and USR1 into while a child is being started.

    An exception between the fork and the assignment would lose the child. What arrives is only noted, whichever thread
    the kernel gives it to, and raised at the end of the block. Python runs handlers in the main thread: in any other
    there is nothing to hold.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    with _blocked():  # all handlers are replaced, and put back, or none
        handlers = {number: handler for number in _HELD_SIGNALS if callable(handler := signal.getsignal(number))}
        for held in handlers:
            signal.signal(held, lambda number, _frame: arrived.append(number))
    try:
        yield
    finally:
        with _blocked():
            for held, handler in handlers.items():
                signal.signal(held, handler)
            for number in arrived:
                signal.raise_signal(number)


@contextmanager
def _blocked() -> Iterator[None]:
    """Let no signal of these in; not for the start of a child, which would inherit that."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class Child:
    """A running program in a session and process group of its own; lives from its start until ``end``.

    On Linux the kernel kills the program when the *thread* that started it ends, however that happens (``kill -9``
    included). So start and wait in one thread. Its own children do not inherit that; they are in its group, and the
    environment variables ``DAILIES_RUN_ID`` and ``DAILIES_RUN_PROCESS`` mark them for the reconciler.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
        cwd: Path | None,
        run_id: str,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        """Start the program.

        Raises:
            ToolMissingError: There is no such program, or it may not be run.
            InfrastructureError: The machine cannot start another process now.
        """
        self.exit_code: int | None = None
        self.cpu_seconds = 0.0
        command = [os.fspath(part) for part in argv]
        if shutil.which(command[0]) is None:
            raise ToolMissingError(f"{command[0]} is not a program that can be run.", {"tool": command[0]})
        starter = _dying_with_its_starter()
        try:
            self._process = subprocess.Popen(
                [*starter, *command],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env=_environment(run_id),
                start_new_session=True,
                preexec_fn=None if starter or _LIBC is None else _before_exec(os.getpid()),
            )
        except OSError as error:
            raise InfrastructureError(f"{argv[0]} could not be started: {error.strerror}.") from error
        self.pid = self._process.pid

    @property
    def stdout(self) -> IO[bytes]:
        """The reading end of the program's output, where a pipe was asked for."""
        assert self._process.stdout is not None
        return self._process.stdout

    def has_exited(self) -> bool:
        """Say whether the program has ended, and reap it if so; never blocks."""
        if self.exit_code is None:
            try:
                pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else reaped it: how it ended is lost, which is as good as killed
                self.exit_code = self._process.returncode = -signal.SIGKILL
                return True
            if pid:
                self.exit_code = self._process.returncode = os.waitstatus_to_exitcode(status)
                self.cpu_seconds = usage.ru_utime + usage.ru_stime
        return self.exit_code is not None

    def cpu_seconds_so_far(self) -> float:
        """Return the seconds of processor time used so far; 0 where there is no /proc."""
        fields = _proc_stat(Path(f"/proc/{self.pid}/stat"))
        return sum(int(ticks) for ticks in fields[_UTIME : _STIME + 1]) / _TICKS_PER_SECOND

    def signal_group(self, number: signal.Signals) -> bool:
        """Send a signal to every process of the group; say whether there was one."""
        try:
            # The kernel gives no new process this number while a member of the group lives, reaped leader or not.
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
            return False
        return True

    def end(self, grace_seconds: float) -> None:
        """End the whole group and wait until it is gone: TERM, then KILL when the time is half over.

        An exception that arrives meanwhile (a second Ctrl-C) skips the waiting, never the KILL.
        """
        try:
            if grace_seconds > 0 and self.signal_group(signal.SIGTERM):
                _wait(self._is_gone, grace_seconds / 2)
        finally:
            if self.signal_group(signal.SIGKILL):
                _wait(self._is_gone, max(grace_seconds / 2, 1.0))
            if self._process.stdout is not None:
                self._process.stdout.close()

    def _is_gone(self) -> bool:
        return self.has_exited() and not _has_living_member(self.pid)


def _environment(run_id: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in os.environ.keys() - _NOT_PASSED_ON}
    return {**inherited, "DAILIES_RUN_ID": run_id, "DAILIES_RUN_PROCESS": str(os.getpid())}


@lru_cache(maxsize=1)
def _dying_with_its_starter() -> tuple[str, ...]:
    """Return the command that has the kernel kill what it becomes with the thread that started it; empty without one.

    The kernel can be asked by our own code between fork and exec, too. But that needs a true fork, of all that a flow
    run has imported: 20 ms of processor time for every tool, against 3 with util-linux's ``setpriv``.
    """
    setpriv = shutil.which("setpriv") if _LIBC is not None else None
    if setpriv is None:
        return ()
    command = (setpriv, "--pdeathsig", "KILL", "--")
    tried = subprocess.run([*command, setpriv, "--version"], capture_output=True, check=False)
    return command if tried.returncode == 0 else ()  # that of BusyBox does not know the option


def _before_exec(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # it died before the kernel knew of our wish
                os._exit(127)

    return prepare


def _has_living_member(group: int) -> bool:
    """Say whether a process of the group still runs; a zombie that nobody reaps does not count."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    if _LIBC is None:
        return True
    mine = str(group)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _proc_stat(stat)
        if fields and fields[_PGRP] == mine and fields[_STATE] not in "ZX":
            return True
    return False


def _proc_stat(path: Path) -> list[str]:
    """Return the fields of a /proc/…/stat after the program's name; none when there is no such file."""
    try:
        return path.read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _wait(is_done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    nap = 0.002
    while not is_done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(nap)
        nap = min(nap * 2, _LONGEST_NAP_SECONDS)
    return True
