"""How long a run has worked: the time since it began, without the times in which it only waited for others."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class WorkClock:
    """Runs from the moment it is made. Several may stop it at once, and it goes on when the last of them is done."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._waited_seconds = 0.0
        self._waiting_since = 0.0
        self._waits = 0
        self._lock = threading.Lock()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clock while the block runs."""
        with self._lock:
            if not self._waits:
                self._waiting_since = time.monotonic()
            self._waits += 1
        try:
            yield
        finally:
            with self._lock:
                self._waits -= 1
                if not self._waits:
                    self._waited_seconds += time.monotonic() - self._waiting_since

    def worked_seconds(self) -> float:
        """Return how long it has run."""
        with self._lock:
            until = self._waiting_since if self._waits else time.monotonic()
            return until - self._began - self._waited_seconds
