"""One child process and the group it leads: start it, see that it lives, end it, and leave nothing of it behind."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
def signals_held() -> Iterator[set[int] | set[signal.Signals]]:
    """Hold TERM, INT and USR1 back from this thread while a child is started; yields the mask that the child gets.

    A signal that Python turns into an exception between the fork and the assignment would lose the child. Held back, it
    is raised at the end of the block. (One that another thread catches in between still loses it, until that
    exception ends our process and with it, by the kernel's hand, the child.)
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    try:
        yield mask
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
        signal_mask: set[int] | set[signal.Signals],
    ) -> None:
        """Start the program.

        Raises:
            ToolMissingError: There is no such program, or it may not be run.
            InfrastructureError: The machine cannot start another process now.
        """
        self.exit_code: int | None = None
        self.cpu_seconds = 0.0
        try:
            self._process = subprocess.Popen(
                [os.fspath(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env=_environment(run_id),
                start_new_session=True,
                preexec_fn=_before_exec(os.getpid(), signal_mask),
            )
        except (FileNotFoundError, PermissionError) as error:
            raise ToolMissingError(f"{argv[0]} cannot be run: {error.strerror}.", {"tool": str(argv[0])}) from error
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


def _before_exec(parent: int, signal_mask: set[int] | set[signal.Signals]) -> Callable[[], None]:
    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, signal_mask)
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
