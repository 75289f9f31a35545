"""The decoder as a child whose output is read piece by piece, and which is gone when the block is left."""

import fcntl
import os
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from data.domain.errors import EncodeFailedError, EncoderStalledError
from tasks.media.accounts import blamed
from tasks.media.child import Child, signals_held
from tasks.media.measures import read_log

PIPE_BYTES = 1024 * 1024
_TAIL_BYTES = 4096
_LOOK_SECONDS = 1.0


@contextmanager
def reading(command: Sequence[str | Path], log_path: Path, *, stall_seconds: float, run_id: str) -> Iterator["Reader"]:
    """Run a decoder and read what it writes to standard output.

    Args:
        command: The program and its arguments.
        log_path: File for what it says.
        stall_seconds: It is ended when it gives nothing for so long.
        run_id: Marks the process for a later sweep.
    """
    child: Child | None = None
    with log_path.open("wb") as log:
        try:
            with signals_held():
                child = Child(list(command), stdout=subprocess.PIPE, stderr=log, cwd=None, run_id=run_id)
            yield Reader(child, stall_seconds, log_path)
        finally:
            if child is not None:
                child.end(0)


class Reader:
    """Reads what a decoder writes; lives as long as the decoder."""

    def __init__(self, child: Child, stall_seconds: float, log_path: Path) -> None:
        self._child = child
        self._stall_seconds = stall_seconds
        self._log_path = log_path
        self._descriptor = child.stdout.fileno()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(PermissionError):  # the user's pipes hold too much already: a smaller one is only slower
                fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def pieces(self, size_bytes: int) -> Iterator[bytearray]:
        """Give the output in pieces of a size, the last one perhaps shorter; then see how the decoder ended."""
        while piece := self._read(size_bytes):
            yield piece
        self._check_end()

    def _read(self, size_bytes: int) -> bytearray:
        buffer = bytearray(size_bytes)
        view, filled = memoryview(buffer), 0
        while filled < size_bytes:
            self._wait()
            got = os.readv(self._descriptor, [view[filled:]])
            if got == 0:
                break
            filled += got
        view.release()
        del buffer[filled:]
        return buffer

    def _wait(self) -> None:
        """Wait for more, and look up every now and then: who watches the step takes one who does not for stuck."""
        deadline = time.monotonic() + self._stall_seconds
        while not select.select([self._descriptor], [], [], min(_LOOK_SECONDS, self._stall_seconds))[0]:
            if time.monotonic() >= deadline:
                raise EncoderStalledError(
                    f"The decoder gave nothing for {self._stall_seconds:g} seconds and was ended.",
                    {"stall_seconds": self._stall_seconds},
                )

    def _check_end(self) -> None:
        while not self._child.has_exited():
            select.select([], [], [], 0.005)
        if self._child.exit_code != 0:
            tail = self._log_path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
            error = EncodeFailedError(
                f"The source could not be decoded: ffmpeg ended with exit code {self._child.exit_code}.",
                {"exit_code": self._child.exit_code, "stderr_tail": tail},
            )
            raise blamed(error, read_log(self._log_path)) from error
