"""Leave a forked run without taking a thousand modules apart first.

An interpreter that ends joins its threads, runs the ``atexit`` functions, flushes its streams and then, for more than
0.1 s of processor time with all that a run has imported, destroys everything. The last part is left to the kernel.
"""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_FLUSH_FAILED = 120  # what the interpreter itself says when a stream cannot be flushed
_exit_code: int | None = None


def leave_early() -> None:
    """Arrange it. To be called before anything else registers with ``atexit``: what is registered first is run last."""
    atexit.register(_leave)


@contextmanager
def noting_exit_code() -> Iterator[None]:
    """Take note of the exit code with which the interpreter is going to end after this block."""
    global _exit_code
    _exit_code = 1
    try:
        yield
    except SystemExit as error:
        _exit_code = _code_of(error)
        raise
    except KeyboardInterrupt:
        _exit_code = None  # the interpreter ends itself by the signal, in its own way
        raise
    _exit_code = 0


def _code_of(error: SystemExit) -> int:
    if error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1


def _leave() -> None:
    if _exit_code is None:
        return
    code = _exit_code
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = _FLUSH_FAILED
    os._exit(code)
