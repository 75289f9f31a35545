"""Run a media tool so that it can neither hang, nor outlive us, nor fail without saying why.

Prefect cannot interrupt a thread that waits for a child, so time limits, the stall watchdog and the killing live here.
Every run is a process group of its own, and on every way out of these functions, exceptions raised into the waiting
thread included (Ctrl-C, Prefect's cancel), the group is ended and gone first. Should our process be killed outright,
the kernel kills the tool: on Linux it does so when the *thread* that called these functions ends.
"""

import errno
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Self

from data.domain.errors import (
    DailiesError,
    DiskFullError,
    EncodeFailedError,
    EncoderKilledError,
    EncoderStalledError,
    TimeLimitError,
)
from tasks.media.child import Child, signals_held
from tasks.media.progress import Progress, ProgressReader
from tasks.media.tools import Toolset

__all__ = ["Limits", "Outcome", "Progress", "observe_tools", "run_ffmpeg", "run_tool"]

_TAIL_BYTES = 4096
_REASON_BYTES = 65536
_FIRST_POLL_SECONDS = 0.002
_LONGEST_POLL_SECONDS = 0.1
_WATCH_SECONDS = 0.25
_FULL_DISK_BYTES = 65536
_KILLED_BY_SHELL = 128 + signal.SIGKILL
# ffmpeg catches TERM and INT, closes its outputs so that they look whole, and exits with one of these.
_FFMPEG_SIGNALLED = {255, 123}
_RECEIVED_SIGNAL = re.compile(r"(?:[Rr]eceived signal |Received > )(\d+)")
_NOT_PRINTABLE = re.compile(r"[^\n\x20-\x7e\u00a0-\U0010ffff]")

_SLOWEST_DECODE = 2.0
"""Seconds that a second of video takes to decode, at worst."""


@dataclass(frozen=True)
class Limits:
    """How long one run of a tool may take."""

    soft_seconds: float = 3600.0
    """After this the tool is asked to end (TERM); the run then counts as over its limit however it ends."""
    hard_seconds: float = 4000.0
    """After this the tool is killed."""
    stall_seconds: float = 120.0
    """No progress for this long ends the tool."""
    kill_grace_seconds: float = 5.0
    """Longest time from the decision to end a tool until its whole group is gone."""

    def patient(self, unseen_seconds: float) -> Self:
        """Return those that let pictures be decoded which nobody will see: nothing moves until the first that is kept.

        Args:
            unseen_seconds: How much video comes ahead of that.
        """
        return replace(self, stall_seconds=self.stall_seconds + _SLOWEST_DECODE * unseen_seconds)


@dataclass(frozen=True)
class Outcome:
    """What a successful run leaves."""

    stderr_path: Path
    stderr_tail: str
    """The last 4 KiB that the tool said, without control characters."""
    wall_seconds: float
    cpu_seconds: float
    """Processor time of the tool and of those children that it waited for."""
    last_progress: Progress | None


_DEFAULT_LIMITS = Limits()

Observer = Callable[[str], AbstractContextManager[None]]
_observer: Observer = lambda _tool: nullcontext()  # noqa: E731


def observe_tools(observer: Observer) -> None:
    """Have every run of a tool, from now on, happen inside a context.

    Args:
        observer: Takes the tool's name.
    """
    global _observer
    _observer = observer


def run_tool(
    argv: Sequence[str | Path],
    *,
    log_path: Path,
    limits: Limits = _DEFAULT_LIMITS,
    cwd: Path | None = None,
    run_id: str = "",
    stdout_path: Path | None = None,
) -> Outcome:
    """Run any tool to its successful end.

    Signs of life, for the stall watchdog, are bytes written to the log or standard output and processor time used.

    Args:
        argv: The program and its arguments; no shell reads them.
        log_path: File that takes everything the tool writes to standard error (its parents are made).
        limits: Time limits in seconds.
        cwd: Working directory of the tool.
        run_id: Marks the processes (``DAILIES_RUN_ID``) for a later sweep.
        stdout_path: File for standard output; ``None`` sends it to the log too.

    Raises:
        EncodeFailedError: It ended with an error of its own; the facts hold the tail of the log.
        EncoderKilledError: A signal ended it.
        EncoderStalledError: It showed no sign of life for ``limits.stall_seconds``.
        TimeLimitError: The soft or hard limit was reached.
        DiskFullError: It found no space to write.
        ToolMissingError: There is no such program.
    """
    with _writable(log_path) as log, _writable(stdout_path) if stdout_path else nullcontext(log) as output:
        run = _Run(argv, log_path, limits, _SilentLife(log_path, stdout_path), None)
        return run.supervise(stdout=output, stderr=log, cwd=cwd, run_id=run_id)


def run_ffmpeg(
    arguments: Sequence[str],
    *,
    tools: Toolset,
    log_path: Path,
    limits: Limits = _DEFAULT_LIMITS,
    expected_seconds: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    run_id: str = "",
    stdin: int = subprocess.DEVNULL,
) -> Outcome:
    """Run ffmpeg to its successful end: exit code 0 *and* its own word that it came to the end.

    Both are needed and still prove only that ffmpeg is content: a truncated input ends so too, with half the frames.

    Args:
        arguments: Everything after the program's name; outputs are overwritten.
        tools: Where ffmpeg is.
        log_path: File that takes everything ffmpeg writes to standard error.
        limits: Time limits in seconds. A stall is no change in media time, frame count and bytes written.
        expected_seconds: Duration of the output, for ``Progress.share``.
        on_progress: Called about twice a second in this thread, so it must be quick; what it raises ends ffmpeg and is
            raised on.
        run_id: Marks the processes (``DAILIES_RUN_ID``) for a later sweep.
        stdin: A descriptor to read from (``-i pipe:0``); it stays the caller's to close.

    Raises:
        EncodeFailedError: ffmpeg ended with an error of its own; the facts hold the tail of the log.
        EncoderKilledError: A signal ended it, or it ended well without having come to its end.
        EncoderStalledError: It made no progress for ``limits.stall_seconds``.
        TimeLimitError: The soft or hard limit was reached.
        DiskFullError: It found no space to write.
        ToolMissingError: There is no such program.
    """
    argv: list[str | Path] = [
        tools.ffmpeg,
        "-hide_banner",
        "-nostdin",
        "-nostats",
        "-y",
        "-progress",
        "pipe:1",
        *arguments,
    ]
    reader = ProgressReader(expected_seconds)
    with _writable(log_path) as log:
        run = _Run(argv, log_path, limits, reader, on_progress)
        return run.supervise(stdout=subprocess.PIPE, stderr=log, cwd=None, run_id=run_id, stdin=stdin)


class _SilentLife:
    """Signs of life of a tool that reports no progress."""

    def __init__(self, *paths: Path | None) -> None:
        self._paths = [path for path in paths if path is not None]

    def mark(self, child: Child) -> tuple[float, ...]:
        return (child.cpu_seconds_so_far(), *(path.stat().st_size for path in self._paths))


class _Run:
    """One run of one tool, from its start until its whole group is gone."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        log_path: Path,
        limits: Limits,
        life: ProgressReader | _SilentLife,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._argv = argv
        self._name = Path(argv[0]).name
        self._log_path = log_path
        self._limits = limits
        self._life = life
        self._reader = life if isinstance(life, ProgressReader) else None
        self._on_progress = on_progress

    def supervise(
        self,
        *,
        stdout: int | IO[bytes],
        stderr: IO[bytes],
        cwd: Path | None,
        run_id: str,
        stdin: int = subprocess.DEVNULL,
    ) -> Outcome:
        with _observer(self._name):
            return self._supervised(stdout, stderr, cwd, run_id, stdin)

    def _supervised(
        self, stdout: int | IO[bytes], stderr: IO[bytes], cwd: Path | None, run_id: str, stdin: int
    ) -> Outcome:
        started = time.monotonic()
        child: Child | None = None
        try:
            with signals_held():
                child = Child(self._argv, stdout=stdout, stderr=stderr, cwd=cwd, run_id=run_id, stdin=stdin)
            broken_limit = self._wait(child, started)
        finally:
            if child is not None:
                child.end(self._limits.kill_grace_seconds)
        error = broken_limit or self._verdict(child)
        if error is not None:
            raise error
        return Outcome(
            stderr_path=self._log_path,
            stderr_tail=_tail(self._log_path, _TAIL_BYTES),
            wall_seconds=time.monotonic() - started,
            cpu_seconds=child.cpu_seconds,
            last_progress=self._reader.last if self._reader else None,
        )

    def _wait(self, child: Child, started: float) -> DailiesError | None:
        """Wait for the tool's own end, or return the error that names the limit it broke."""
        source = _Pipe(child.stdout if self._reader else None)
        limits = self._limits
        was_asked_to_end = False
        mark: object = None
        moved_at = looked_at = started
        with source:
            while not child.has_exited():
                self._report(source.read())
                now = time.monotonic()
                if now - looked_at >= _WATCH_SECONDS:
                    looked_at, before, mark = now, mark, self._mark(child)
                    moved_at = now if mark != before else moved_at
                if now - started > limits.hard_seconds:
                    return self._time_limit("hard", limits.hard_seconds)
                if now - started > limits.soft_seconds and not was_asked_to_end:
                    was_asked_to_end = child.signal_group(signal.SIGTERM)
                if now - moved_at > limits.stall_seconds and not was_asked_to_end:
                    return self._stalled()
            self._report(source.read_rest())
        return self._time_limit("soft", limits.soft_seconds) if was_asked_to_end else None

    def _mark(self, child: Child) -> object:
        return self._life.mark(child) if isinstance(self._life, _SilentLife) else self._life.mark

    def _report(self, data: bytes) -> None:
        progress = self._reader.feed(data) if self._reader and data else None
        if progress is not None and self._on_progress is not None:
            self._on_progress(progress)

    def _time_limit(self, kind: str, seconds: float) -> TimeLimitError:
        return TimeLimitError(
            f"{self._name} was ended at its {kind} time limit of {seconds:g} seconds.",
            {"tool": self._name, "limit": kind, "limit_seconds": seconds},
        )

    def _stalled(self) -> EncoderStalledError:
        seconds = self._limits.stall_seconds
        return EncoderStalledError(
            f"{self._name} made no progress for {seconds:g} seconds and was ended.",
            {
                "tool": self._name,
                "stall_seconds": seconds,
                "out_seconds": self._reader.last.out_seconds if self._reader and self._reader.last else 0.0,
                "stderr_tail": _tail(self._log_path, _TAIL_BYTES),
            },
        )

    def _verdict(self, child: Child) -> DailiesError | None:
        """Return what was wrong with a run that ended by itself, if anything."""
        code = child.exit_code
        if code == 0 and (self._reader is None or self._reader.has_ended):
            return None
        tail = _tail(self._log_path, _TAIL_BYTES)
        facts = {"tool": self._name, "exit_code": code, "stderr_tail": tail}
        if code != 0 and self._disk_is_full():
            return DiskFullError(f"{self._name} found no space left to write.", facts)
        number = _ending_signal(code, tail)
        if number is not None:
            return EncoderKilledError(f"{self._name} was ended by {_signal_name(number)}.", facts)
        if code == 0:
            # ffmpeg always says "end" when it comes there, so it was not the input that kept it from saying so.
            return EncoderKilledError(f"{self._name} ended without having come to its end.", facts)
        last_line = tail.rstrip().rpartition("\n")[2]
        return EncodeFailedError(f"{self._name} ended with exit code {code}: {last_line[:300]}", facts)

    def _disk_is_full(self) -> bool:
        if "No space left on device" in _tail(self._log_path, _REASON_BYTES):
            return True
        # Then the complaint itself may not have fitted on the disk.
        return shutil.disk_usage(self._log_path.parent).free < _FULL_DISK_BYTES


class _Pipe:
    """The reading end of a progress pipe, or nothing but a short wait where a tool has none."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._selector = selectors.DefaultSelector()
        self._stream = stream
        self._poll_seconds = _FIRST_POLL_SECONDS
        if stream is not None:
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def read(self) -> bytes:
        """Return what there is, after waiting for it a moment; the moments grow while there is nothing."""
        self._poll_seconds = min(self._poll_seconds * 2, _LONGEST_POLL_SECONDS)
        if self._stream is None:
            time.sleep(self._poll_seconds)
            return b""
        return self._take() if self._selector.select(self._poll_seconds) else b""

    def read_rest(self) -> bytes:
        """Return what is left; a grandchild that holds the pipe open does not make it wait."""
        data = b""
        while self._stream is not None and (more := self._take()):
            data += more
        return data

    def _take(self) -> bytes:
        assert self._stream is not None
        try:
            data = os.read(self._stream.fileno(), 65536)
        except BlockingIOError:
            return b""
        if not data:  # closed: the tool is about to end
            self._selector.unregister(self._stream)
            self._stream = None
            self._poll_seconds = _FIRST_POLL_SECONDS
        return data


@contextmanager
def _writable(path: Path) -> Iterator[IO[bytes]]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("wb")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFullError("No space is left for a log file.", {"path": str(path)}) from error
        raise
    with stream:
        yield stream


def _tail(path: Path, size_bytes: int) -> str:
    with path.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - size_bytes))
        text = stream.read(size_bytes).decode(errors="replace")
    return _NOT_PRINTABLE.sub("", text.replace("\r", "\n").replace("\t", " "))


def _ending_signal(exit_code: int | None, tail: str) -> int | None:
    if exit_code is None:  # not even KILL could end it: it hangs in the kernel
        return signal.SIGKILL
    if exit_code < 0:
        return -exit_code
    if exit_code == _KILLED_BY_SHELL:  # the program is a wrapper script
        return signal.SIGKILL
    said = _RECEIVED_SIGNAL.search(tail) if exit_code in _FFMPEG_SIGNALLED else None
    return int(said.group(1)) if said else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
