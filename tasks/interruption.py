"""Interrupt the main thread, whatever it is doing, and end the process and its tree where that does not help.

Python cannot raise an exception in a thread that waits in C. A signal wakes the main thread from every wait of the
operating system, and its handler raises there; only code that stays in a library (a model that hangs) does not notice.
For that there is :func:`end_process_tree`.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import psutil

STOP_SIGNAL = signal.SIGUSR1
"""Free in Prefect, and passed on by the launcher like any other."""


class Interrupter:
    """Raises in the main thread what another thread asks for. Lives as long as its ``with`` block, in the main thread.

    An exception that arrives when the block has been left is dropped: what it was to stop has ended.
    """

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._main = threading.main_thread()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let interruptions in while the block runs."""
        before = signal.signal(STOP_SIGNAL, self._raise)
        try:
            yield
        finally:
            self._error = None
            signal.signal(STOP_SIGNAL, signal.SIG_IGN)  # one that is under way must not end the process
            if before not in (signal.SIG_DFL, None):
                signal.signal(STOP_SIGNAL, before)

    def interrupt(self, error: BaseException) -> None:
        """Raise an error in the main thread, as soon as it comes back to Python code; called by another thread."""
        self._error = error
        assert self._main.ident is not None
        signal.pthread_kill(self._main.ident, STOP_SIGNAL)

    def _raise(self, _number: int, _frame: object) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


def main_thread_cpu_seconds() -> float:
    """Return the processor time of the main thread alone: it stands still while that waits for something that hangs.

    Where the system does not tell (macOS), the clock takes its place, and nothing ever seems to hang.
    """
    main = threading.main_thread().ident
    if not hasattr(time, "pthread_getcpuclockid") or main is None:
        return time.monotonic()
    return time.clock_gettime(time.pthread_getcpuclockid(main))


def kill_descendants() -> None:
    """Kill every process that this one started, theirs included."""
    for process in psutil.Process().children(recursive=True):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def end_process_tree(exit_code: int) -> NoReturn:
    """End this process at once, from whatever thread, with everything that it started."""
    kill_descendants()
    os._exit(exit_code)
