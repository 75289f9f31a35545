"""Encode slots: how many threads all encodes of a machine run at once, whoever started them.

A machine has a number of *units*, each a file whose lock the kernel releases when its holder dies: nothing is counted,
so nothing can leak. An encode takes as many units as threads it will run::

    slots/turn.lock             held for the moment in which one process looks at the rest
    slots/unit-000 …            a locked one is taken
    slots/ticket-1-0000000042   a locked one is a place in the queue; an unlocked one was left by a killed process

The queue is strict: only its head takes units, and it takes at once what is free, at least one and at most its share
(the units divided by those who wait). So a lone encode has the whole machine, two that wait together have half of it
each, and nobody is overtaken, except by a more urgent rank. A rank may change during the wait: the ticket is then
exchanged for one of the new rank with the same number, so that within a rank it is still first come, first served.

A grant is a number of threads, not a set of cores: pinning each encode to cores of its own was no faster, and would
keep it from a core that idles.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.domain.errors import InfrastructureError
from data.locks import HeldLock, file_lock
from tasks.media.child import signals_held

NEXT_SECONDS = 0.05
"""How often the head of the queue looks for a free unit."""
WAIT_SECONDS = 0.2
"""How often those behind it look where they are."""
_TURN_SECONDS = 30.0
_TICKET = "ticket-"


@dataclass(frozen=True)
class EncodeSlots:
    """The encode slots of a machine."""

    directory: Path
    """Where the locks are; on a local file system, the same for all processes that share the machine."""
    units: int
    """Threads of all encodes together, at least 1."""
    threads_per_encode: int
    """Most units that one encode takes, at least 1."""


@dataclass(frozen=True)
class Grant:
    """What an encode was given; it may run so many threads while it holds its slot."""

    threads: int
    waited_seconds: float


@contextmanager
def holding_slot(
    slots: EncodeSlots, *, rank: Callable[[], int] = lambda: 0, on_wait: Callable[[int], None] | None = None
) -> Iterator[Grant]:
    """Wait for a slot and hold it while the block runs.

    An exception that is raised into the waiting thread (Prefect's cancel) ends the wait at once; a killed process
    loses its place and its units at that moment.

    Args:
        slots: Those of this machine.
        rank: Says what it is now, 0–9; lower ones come first, whenever they arrived. Asked again at every look.
        on_wait: Told the position in the queue, 1 for the next one, when the wait begins and whenever it changes; not
            called when there is no wait. What it raises ends the wait.

    Raises:
        InfrastructureError: The directory cannot be used, or a process that looks into it is stuck.
    """
    began = time.monotonic()
    place = _Place(slots)
    try:
        place.join(rank())
        told = None
        while position := place.advance(rank()):
            if on_wait is not None and position != told:
                on_wait(position)
                told = position
            time.sleep(NEXT_SECONDS if position == 1 else WAIT_SECONDS)
        yield Grant(place.units, time.monotonic() - began)
    finally:
        place.leave()


class _Place:
    """A place in the queue, then the units it led to; lives as long as one encode and its wait."""

    def __init__(self, slots: EncodeSlots) -> None:
        self._slots = slots
        self._rank = self._number = 0
        self._ticket = Path()
        self._ticket_lock: HeldLock | None = None
        self._units: list[HeldLock] = []

    @property
    def units(self) -> int:
        """How many units are held."""
        return len(self._units)

    def join(self, rank: int) -> None:
        """Get in line, behind everybody of the same rank."""
        with self._turn():
            last = max((int(name.rpartition("-")[2]) for name in self._tickets()), default=0)
            self._number = last + 1
            self._take_ticket(rank)

    def advance(self, rank: int) -> int:
        """Take units if it is this one's turn and there are any; return the position in the queue, 0 with units."""
        with self._turn():
            if rank != self._rank:
                self._give_up_ticket()
                self._take_ticket(rank)
            position = self._position()
            if position > 1:
                return position
            share = self._slots.units // self._count_waiting()
            self._take_units(max(1, min(share, self._slots.threads_per_encode)))
            if self._units:
                self._give_up_ticket()
            return 0 if self._units else 1

    def leave(self) -> None:
        """Give back whatever is held."""
        with signals_held():
            self._give_up_ticket()
            while self._units:
                self._units.pop().release()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only one to look, for a moment that no signal cuts short."""
        directory = self._slots.directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with file_lock(directory / "turn.lock", _TURN_SECONDS), signals_held():
                yield
        except OSError as error:
            raise InfrastructureError(
                f"The encode slots in {directory} cannot be used: {error}.", {"directory": str(directory)}
            ) from error

    def _tickets(self) -> list[str]:
        """Return the names of all tickets in the order of the queue."""
        return sorted(path.name for path in self._slots.directory.glob(f"{_TICKET}*"))

    def _position(self) -> int:
        """Return how many are in line up to this one, after removing a dead one right before it.

        Each looks after the one before it, so that a long queue costs each of its members no more than a short one.
        """
        ahead = [name for name in self._tickets() if name < self._ticket.name]
        while ahead and self._is_dead(ahead[-1]):
            ahead.pop()
        return len(ahead) + 1

    def _count_waiting(self) -> int:
        """Return how many are in line, this one included, after removing all dead ones."""
        return sum(name == self._ticket.name or not self._is_dead(name) for name in self._tickets())

    def _is_dead(self, name: str) -> bool:
        """Say whether a ticket's holder was killed, and remove the ticket if so."""
        path = self._slots.directory / name
        lock = HeldLock.take(path)
        if lock is None:
            return False
        path.unlink(missing_ok=True)
        lock.release()
        return True

    def _take_ticket(self, rank: int) -> None:
        self._rank = rank
        self._ticket = self._slots.directory / f"{_TICKET}{rank}-{self._number:010d}"
        self._ticket_lock = HeldLock.take(self._ticket)

    def _take_units(self, wanted: int) -> None:
        for number in range(self._slots.units):
            lock = HeldLock.take(self._slots.directory / f"unit-{number:03d}")
            if lock is not None:
                self._units.append(lock)
            if len(self._units) == wanted:
                return

    def _give_up_ticket(self) -> None:
        if self._ticket_lock is not None:
            self._ticket.unlink(missing_ok=True)
            self._ticket_lock.release()
            self._ticket_lock = None
