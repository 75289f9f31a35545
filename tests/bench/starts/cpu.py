"""CPU-seconds by component."""

from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import Self

import psutil


@dataclass(frozen=True)
class Cpu:
    """CPU-seconds by component: the run with its launcher, the worker, the Prefect server, Postgres."""

    run: float = 0.0
    worker: float = 0.0
    server: float = 0.0
    database: float = 0.0

    @property
    def total(self) -> float:
        """All of them."""
        return sum(astuple(self))

    def since(self, before: Self, runs: int = 1) -> "Cpu":
        """Return what was used since then, for each run."""
        return Cpu(*((now - then) / runs for now, then in zip(astuple(self), astuple(before), strict=True)))

    def less(self, idle: Self, seconds: float) -> "Cpu":
        """Return it without what server and database would have used anyway; ``idle`` is per second."""
        server, database = self.server - idle.server * seconds, self.database - idle.database * seconds
        return Cpu(self.run, self.worker, max(0.0, server), max(0.0, database))


def own_and_ended(pid: int) -> tuple[float, float]:
    """Return the CPU-seconds of a process, and of its children that have ended."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system, times.children_user + times.children_system


def of_tree(pid: int) -> float:
    """Return the CPU-seconds of a process, its children, and those that have ended."""
    process = psutil.Process(pid)
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            total += sum(own_and_ended(one.pid))
    return total
