"""How much memory the feed of a batch and the Prefect server take, from the batch's first minute to its last."""

import threading
from dataclasses import dataclass

import psutil

from deployments.components import SERVER_NAME
from deployments.stack import Stack
from tests.fakes.stack_processes import engines

_EVERY_SECONDS = 3.0


@dataclass(frozen=True)
class Growth:
    """Resident memory in MB: the mean of the second tenth of the samples, and of the last tenth."""

    early: float
    late: float

    @classmethod
    def of(cls, samples: list[float]) -> "Growth":
        """The first tenth is left out: there a process is still loading what it works with."""
        tenth = max(1, len(samples) // 10)
        early, late = samples[tenth : 2 * tenth] or samples, samples[-tenth:]
        return cls(sum(early) / len(early), sum(late) / len(late))


class MemoryWatch:
    """Samples in a thread of its own while it is entered."""

    def __init__(self, stack: Stack, batch_id: str) -> None:
        self._stack, self._batch_id = stack, batch_id
        self._samples: dict[str, list[float]] = {"feed": [], "server": []}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    @property
    def growth(self) -> dict[str, Growth]:
        """By component; only those that were seen."""
        return {name: Growth.of(samples) for name, samples in self._samples.items() if samples}

    def _watch(self) -> None:
        [server] = [child.pid for child in self._stack.children if child.name == SERVER_NAME]
        feed: list[int] = []
        while not self._end.wait(_EVERY_SECONDS):
            # Looking through all processes costs as much as a tick of the feed: not again while it lives.
            feed = feed if any(map(psutil.pid_exists, feed)) else self._find_feed()
            # A warm run has a launcher and a keeper beside it, which are small.
            for name, pids in (("feed", feed), ("server", [server])):
                held = [megabytes for pid in pids if (megabytes := _resident_megabytes(pid)) is not None]
                if held:
                    self._samples[name].append(max(held))

    def _find_feed(self) -> list[int]:
        return [process.pid for process in engines(self._stack.stack_id, self._batch_id)]


def _resident_megabytes(pid: int) -> float | None:
    """Return what a process holds; ``None``: it is gone."""
    try:
        return float(psutil.Process(pid).memory_info().rss / 1e6)
    except psutil.NoSuchProcess:
        return None
