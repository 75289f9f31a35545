"""What a running stack leaves in its home for others: a lock, and a note of who and where it is."""

import fcntl
import os
import signal
import time
from pathlib import Path
from typing import IO, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from deployments.errors import StackError

STOP_SECONDS = 60.0
POLL_SECONDS = 0.1
LOCK = "stack.lock"


class StackNote(BaseModel):
    """Who runs the stack of a home, and where it answers."""

    model_config = ConfigDict(frozen=True)

    stack_id: str
    pid: int
    api_url: str
    prefect_ui_url: str
    is_ready: bool
    timings: dict[str, float] = {}
    """Seconds that each component took to get ready."""

    @classmethod
    def read(cls, home: Path) -> Self | None:
        """Return the home's note, which a killed stack leaves behind too."""
        try:
            return cls.model_validate_json((home / "stack.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, home: Path) -> None:
        """Replace the home's note in one step."""
        draft = home / "stack.json.part"
        draft.write_text(self.model_dump_json(indent=2), "utf-8")
        draft.replace(home / "stack.json")

    @staticmethod
    def remove(home: Path) -> None:
        """Take the note away."""
        (home / "stack.json").unlink(missing_ok=True)


def take_lock(home: Path) -> IO[str] | None:
    """Return the home's lock, to be kept open; ``None`` when a running stack has it.

    The kernel releases it when its process ends, however it ends.
    """
    lock = (home / LOCK).open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def is_running(home: Path) -> bool:
    """Say whether a stack runs in the home."""
    if not (home / LOCK).exists():
        return False
    lock = take_lock(home)
    if lock is None:
        return True
    lock.close()
    return False


def stop_running(home: Path, timeout_seconds: float = STOP_SECONDS) -> bool:
    """Ask the home's stack to stop and wait until it has; return whether one was running.

    Raises:
        StackError: It did not stop in time.
    """
    if not is_running(home):
        return False
    note = StackNote.read(home)
    if note is None:
        raise StackError(f"The stack of {home} is just starting: try again in a moment.")
    os.kill(note.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_seconds
    while is_running(home):
        if time.monotonic() > deadline:
            raise StackError(f"The stack of {home} (process {note.pid}) did not stop in {timeout_seconds:.0f} s.")
        time.sleep(POLL_SECONDS)
    return True
