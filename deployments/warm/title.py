"""Show what a forked run is where ``ps``, psutil and ``/proc`` look: in the process's own argument block.

A fork has the command line and the initial environment of its server, and those who look for the processes of a run
(the stack, the reconciler, a person with ``ps``) would not find it. The kernel shows the memory in which the program's
arguments and environment were passed; whoever owns that memory may write to it, as `setproctitle` does.
"""

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path

_BLOCK_FIELDS = slice(48 - 3, 51 - 3 + 1)  # proc(5): arg_start, arg_end, env_start, env_end; the rest begins at field 3
_PR_SET_NAME = 15
_libc = ctypes.CDLL(None, use_errno=True)


def show_as(command: Sequence[str], environment: Mapping[str, str] | None, name: str) -> None:
    """Show another command line and environment for this process, as much of them as fits.

    The environment must have been replaced (``os.environ.clear()`` …) before: then nothing uses the old block any more.

    Args:
        command: The command line to show.
        environment: The variables to show, the most telling first: not all may fit. None leaves the block as it is.
        name: The short name, 15 characters.
    """
    fields = Path("/proc/self/stat").read_text("ascii").rpartition(")")[2].split()
    start, end, environment_start, environment_end = map(int, fields[_BLOCK_FIELDS])
    _write(start, end - start, [part.encode() for part in command])
    if environment is not None:
        variables = [f"{key}={value}".encode("utf-8", "surrogateescape") for key, value in environment.items()]
        _write(environment_start, environment_end - environment_start, variables)
    _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def _write(address: int, size: int, parts: Sequence[bytes]) -> None:
    """Write whole parts with a NUL after each, then NULs to the end of the block."""
    if address <= 0 or size <= 0:
        return
    block = b""
    for part in parts:
        if len(block) + len(part) + 1 <= size:
            block += part + b"\0"
    ctypes.memmove(address, block.ljust(size, b"\0"), size)
