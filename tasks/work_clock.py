"""How long a run has worked: the time since it began, without the times in which it only waited for others."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class WorkClock:
    """Runs from the moment it is made. It stands still while somebody waits, unless others are at work beside them.

    Several may stop it at once; then it goes on when the last of them is done, or when one of them begins to work.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._stood_seconds = 0.0
        self._standing_since: float | None = None
        self._waits = 0
        self._works = 0
        self._lock = threading.Lock()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clock while the block runs, if nobody is at work meanwhile."""
        self._count(waits=1)
        try:
            yield
        finally:
            self._count(waits=-1)

    @contextmanager
    def going(self) -> Iterator[None]:
        """Let the clock run while the block does, whoever waits beside it."""
        self._count(works=1)
        try:
            yield
        finally:
            self._count(works=-1)

    def worked_seconds(self) -> float:
        """Return how long it has run."""
        with self._lock:
            until = time.monotonic() if self._standing_since is None else self._standing_since
            return until - self._began - self._stood_seconds

    def _count(self, waits: int = 0, works: int = 0) -> None:
        with self._lock:
            self._waits += waits
            self._works += works
            stands, now = self._waits > 0 and not self._works, time.monotonic()
            if stands and self._standing_since is None:
                self._standing_since = now
            elif not stands and self._standing_since is not None:
                self._stood_seconds += now - self._standing_since
                self._standing_since = None
