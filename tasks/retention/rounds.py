"""One round of retention: when it is due, how much of the store it visits, what it deleted.

The store is divided by the first hexadecimal digit of an asset's id. A round visits one part after the other until
its time is up, and the next round goes on there: a small store is visited whole each hour, a large one in turns. Where
the next one goes on is noted in the store itself, so it does not matter which machine carries it out.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from data.domain.errors import PublicationConflictError
from data.domain.model import DomainModel
from data.storage import ObjectStore

PARTS = "0123456789abcdef"
NOTE_KEY = "upkeep/retention.json"
INTERVAL = timedelta(minutes=55)
"""Once an hour, by a schedule that fires every minute and may be late."""


@dataclass(frozen=True)
class Ages:
    """How old something must be to be deleted; ``None``: it is kept for ever."""

    versions: timedelta | None
    attempts: timedelta | None
    caches: timedelta | None
    uploads: timedelta | None
    results: timedelta | None
    paid: timedelta | None = None
    webhooks: timedelta | None = None


def is_older(moment: datetime, age: timedelta | None, now: datetime) -> bool:
    """Say whether something has reached an age; what is kept for ever never has."""
    return age is not None and now - moment > age


@dataclass
class Deleted:
    """What a round has deleted."""

    counts: dict[str, int] = field(default_factory=dict)
    """By kind: ``versions``, ``attempts``, ``packages``, ``artifacts``, ``generations``, ``references``, ``inputs``,
    ``uploads``, ``results``, ``webhook events``, ``copies`` (said to go: a run of their own takes them away)."""
    size_bytes: int = 0

    def add(self, kind: str, size_bytes: int, count: int = 1) -> None:
        """Count a deletion, or several at once."""
        self.counts[kind] = self.counts.get(kind, 0) + count
        self.size_bytes += size_bytes

    def __str__(self) -> str:
        """Return it for a log line: ``2 versions, 31 results, 12.3 MB``; bytes shared by links count each time."""
        counts = [f"{count} {kind}" for kind, count in sorted(self.counts.items())]
        return ", ".join([*counts, f"{self.size_bytes / 1e6:.1f} MB"])


class Note(DomainModel):
    """What one round leaves for the next."""

    started_at: datetime
    next_part: str


def is_due(store: ObjectStore, now: datetime) -> bool:
    """Say whether an hour has passed since the last round began, on whatever machine."""
    found = store.get_versioned(NOTE_KEY)
    return found is None or not timedelta(0) <= now - Note.model_validate_json(found[0]).started_at < INTERVAL


def claim_round(store: ObjectStore, now: datetime) -> str | None:
    """Begin a round if an hour has passed since the last one began; return the part of the store to begin with.

    Returns:
        ``None`` when no round is due, or another machine has just begun it.
    """
    found = store.get_versioned(NOTE_KEY)
    last = Note.model_validate_json(found[0]) if found else None
    if last is not None and timedelta(0) <= now - last.started_at < INTERVAL:
        return None
    part = last.next_part if last else PARTS[0]
    try:
        _write(store, Note(started_at=now, next_part=part), found[1] if found else None)
    except PublicationConflictError:
        return None
    return part


def visit_parts(
    store: ObjectStore, first: str, seconds: float, clock: Callable[[], float] = time.monotonic
) -> Iterator[str]:
    """Go through the parts of the store, at least one and each at most once; note where the next round goes on.

    Args:
        store: Where the note is.
        first: The part to begin with.
        seconds: After this long no further part is begun.
        clock: Tells the seconds.
    """
    began, start = clock(), PARTS.index(first)
    for part in PARTS[start:] + PARTS[:start]:
        yield part
        found = store.get_versioned(NOTE_KEY)
        following = PARTS[(PARTS.index(part) + 1) % len(PARTS)]
        started_at = Note.model_validate_json(found[0]).started_at if found else datetime.now(UTC)
        _write(store, Note(started_at=started_at, next_part=following), found[1] if found else None)
        if clock() - began > seconds:
            return


def _write(store: ObjectStore, note: Note, etag: str | None) -> None:
    store.compare_and_swap(NOTE_KEY, note.model_dump_json().encode(), etag)
