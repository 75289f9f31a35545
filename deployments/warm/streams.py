"""Output that nobody reads any more is lost, and that is all: a run must not die of it.

The pipe that a run writes to is read by its worker. When the worker ends first, the next line of the log would raise
``BrokenPipeError``, which rich, and Prefect's console log with it, turns into the end of the program.
"""

import io
import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer


class LastingFile(io.FileIO):
    """A descriptor to write to; what finds no reader counts as written."""

    def write(self, data: "Buffer", /) -> int:
        """Write, or pretend to."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def outlive_readers() -> None:
    """Make this process's output, and that of its forks, such; before anybody keeps the old streams."""
    sys.stdout = _lasting(sys.stdout)
    sys.stderr = _lasting(sys.stderr)


def _lasting(stream: object) -> io.TextIOWrapper:
    assert isinstance(stream, io.TextIOWrapper)
    stream.flush()
    raw = LastingFile(stream.fileno(), "w", closefd=False)
    # What is not to be buffered has no buffer, as the interpreter makes it for PYTHONUNBUFFERED.
    buffer = cast(io.BufferedWriter, raw) if stream.write_through else io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
