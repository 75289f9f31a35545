"""What a run leaves behind when it ends, and the end of it.

A keeper adopts the orphans of its run, and the server those of a keeper that was killed (``PR_SET_CHILD_SUBREAPER``),
in whatever session they are. What deliberately serves several runs leads a session of its own, without
``PREFECT__FLOW_RUN_ID`` in its environment, and is left alone.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Set
from pathlib import Path

TERM_SECONDS = 2.5
_PAUSE_SECONDS = 0.05
_MARK = b"PREFECT__FLOW_RUN_ID="
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of whatever is orphaned below this process."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def leftovers(but: Set[int] = frozenset(), session: int = 0) -> set[int]:
    """Return the children of this process that belong to a run.

    Args:
        but: These do not count.
        session: What is in this session counts even without a mark in its environment; 0 for none.
    """
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii")
    return {pid for pid in map(int, children.split()) if pid not in but and _belongs_to_run(pid, session)}


def end_leftovers(session: int, reap: Callable[[], None]) -> None:
    """End what a run left: TERM, and KILL for what is still there, or appears, after a while.

    Args:
        session: The run's session.
        reap: Waits for the children that have ended.
    """
    kill_at = time.monotonic() + TERM_SECONDS
    asked: set[int] = set()
    while left := leftovers(session=session):
        must_end = time.monotonic() >= kill_at
        for pid in left if must_end else left - asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if must_end else signal.SIGTERM)
        asked |= left
        time.sleep(_PAUSE_SECONDS)
        reap()


def _belongs_to_run(pid: int, session: int) -> bool:
    try:
        if session and os.getsid(pid) == session:
            return True
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except PermissionError:
        return True
    except OSError:
        return False
    return any(variable.startswith(_MARK) for variable in environment.split(b"\0"))
