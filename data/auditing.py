"""The audit as a whole: the chain in the catalogue, its heads and its archive in the object store.

* ``audit/heads/<hour>.json`` — the chain's last entry as it was then: a chain that was cut off at its end, or reckoned
  anew, disagrees with them.
* ``audit/archive/<first>-<last>.jsonl.gz`` — entries past their time, whole, before they leave the catalogue.
* ``audit/anchors/<last>.json`` — where the chain in the catalogue begins since then.
"""

import gzip
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import orjson
from pydantic import ValidationError

from data.database import Database
from data.domain.audit import AuditEntry, ChainCheck, ChainedEntry, ChainHead, Fault, KeptHead, Verification
from data.domain.errors import CancelledByRequestError, ObjectMissingError
from data.locks import file_lock
from data.repositories import AuditFilter, AuditRepository
from data.repositories.audit import ROWS_AT_ONCE
from data.storage import ObjectStore, StoredObject
from data.tables import utc_now

HEADS = "audit/heads"
ANCHORS = "audit/anchors"
ARCHIVE = "audit/archive"
RECENT_HEADS = 72
ARCHIVE_ROWS = 100_000
"""Entries of one file of the archive, at most."""
SPOOL_LOCK_SECONDS = 10.0


class AuditTrail:
    """The door to the audit; lives as long as the application, safe for several threads.

    Args:
        database: The catalogue, which has the chain.
        store: Has the heads and the archive.
        key: Signs the heads; without it, who can write to catalogue and store can forge both.
    """

    def __init__(self, database: Database, store: ObjectStore, key: bytes | None = None) -> None:
        self._database = database
        self._store = store
        self._key = key
        self._last_kept: KeptHead | None = None
        self._is_closing = False

    def close(self) -> None:
        """Have a check that is under way give up, since the process ends; entries are taken as before."""
        self._is_closing = True

    def append(self, entries: list[AuditEntry]) -> tuple[ChainedEntry, ...]:
        """Put entries at the end of the chain; return those that were new.

        Raises:
            CatalogueUnavailableError: The catalogue did not answer: nothing was written.
        """
        with self._database.session() as session:
            return AuditRepository(session).append(entries)

    def read(self, chosen: AuditFilter) -> Iterator[ChainedEntry]:
        """Give all entries that a filter chooses, oldest first, in short units of work."""
        last = 0
        while True:
            with self._database.session() as session:
                entries = AuditRepository(session).following(last, chosen)
            yield from entries
            if len(entries) < ROWS_AT_ONCE:
                return
            last = entries[-1].sequence

    def keep_head(self) -> Fault | None:
        """Put the chain's head, as it is now, into the store; the one of an hour replaces its predecessors.

        Returns:
            What is wrong, when the chain disagrees with the latest head that was kept: then that one stays.
        """
        now = utc_now()
        name = f"{HEADS}/{now:%Y-%m-%dT%H}.json"
        known = max(self._latest_heads(name), key=lambda kept: kept.sequence, default=None)
        with self._database.session() as session:
            repository = AuditRepository(session)
            head, start = repository.head(), repository.pruned()
            there = repository.following(known.sequence - 1, limit=1) if known and known.sequence else ()
        if known is not None and known.sequence > start.sequence:
            if not there or there[0].sequence != known.sequence or head.sequence < known.sequence:
                return Fault(sequence=known.sequence, problem="removed: a kept head knows it")
            if there[0].hash != known.hash:
                return Fault(sequence=known.sequence, problem="reckoned anew: a kept head has another hash")
        self._last_kept = KeptHead.of(head, now, self._key)
        self._store.put_bytes(self._last_kept.model_dump_json().encode(), name)
        return None

    def verify(self) -> Verification:
        """Check the whole chain in the catalogue, against itself and against the heads in the store.

        Raises:
            CatalogueUnavailableError: The catalogue did not answer.
            StoreUnavailableError: The store did not answer.
            CancelledByRequestError: The process ends.
        """
        heads = list(self._heads(HEADS))  # before the chain: what is written meanwhile makes it longer, never shorter
        anchors = list(self._heads(ANCHORS))
        with self._database.session() as session:
            repository = AuditRepository(session)
            start, told = repository.pruned(), repository.head()
        forged = next((each for each in (*heads, *anchors) if not each.is_genuine(self._key)), None)
        check = ChainCheck(start, [each for each in (*heads, *anchors) if each.sequence >= start.sequence])
        if start.sequence and start.sequence not in {anchor.sequence for anchor in anchors}:
            check.fault = Fault(sequence=1, problem=f"removed: no anchor was kept for entries up to {start.sequence}")
        elif forged is not None:
            check.fault = Fault(sequence=forged.sequence, problem="a kept head is not signed with the configured key")
        self._follow(check, told)
        fault = check.finish(told)
        return Verification(
            ok=fault is None,
            checked=check.checked,
            first=start.sequence + 1,
            head=check.head,
            heads=len(heads),
            fault=fault,
        )

    def prune(self, before: datetime) -> int:
        """Move the entries from before a time into the archive; return how many were moved.

        A file of the archive is complete, and its anchor kept, before an entry leaves the catalogue.
        """
        moved = 0
        while entries := self._oldest(before):
            first, last = entries[0], entries[-1]
            lines = b"".join(orjson.dumps(each.line()) + b"\n" for each in entries)
            name = f"{ARCHIVE}/{first.sequence:012d}-{last.sequence:012d}.jsonl.gz"
            self._store.put_bytes(gzip.compress(lines, mtime=0), name)
            anchor = KeptHead.of(last.head, utc_now(), self._key)
            self._store.put_bytes(anchor.model_dump_json().encode(), f"{ANCHORS}/{last.sequence:012d}.json")
            with self._database.session() as session:
                AuditRepository(session).prune(last.head)
            moved += len(entries)
        return moved

    def _follow(self, check: ChainCheck, told: ChainHead) -> None:
        while check.fault is None and check.head.sequence < told.sequence:
            if self._is_closing:
                raise CancelledByRequestError("The service ends: the check was given up.")
            with self._database.session() as session:
                entries = AuditRepository(session).following(check.head.sequence)
            if not entries or not check.follow(each for each in entries if each.sequence <= told.sequence):
                return

    def _oldest(self, before: datetime) -> list[ChainedEntry]:
        """Return the longest beginning of the chain that is all from before a time, up to one file's worth."""
        found: list[ChainedEntry] = []
        with self._database.session() as session:
            repository = AuditRepository(session)
            last = repository.pruned().sequence
            while len(found) < ARCHIVE_ROWS:
                entries = repository.following(last)
                for each in entries:
                    if each.entry.at >= before:
                        return found
                    found.append(each)
                if len(entries) < ROWS_AT_ONCE:
                    return found
                last = entries[-1].sequence
        return found

    def _latest_heads(self, name: str) -> list[KeptHead]:
        """Return the heads that are the latest, as far as this process knows, and the one of this hour."""
        if self._last_kept is None:
            return list(self._heads(HEADS))
        stored = self._store.stat(name)
        return [self._last_kept, *(self._read_heads([stored]) if stored else ())]

    def _heads(self, prefix: str) -> Iterator[KeptHead]:
        """Give the heads below a prefix: of the last days all, of the time before one a day."""
        found = sorted(self._store.list(prefix), key=lambda stored: stored.key)
        old = (each for each in found[:-RECENT_HEADS] if prefix != HEADS or each.key.endswith("T23.json"))
        return self._read_heads([*old, *found[-RECENT_HEADS:]])

    def _read_heads(self, found: list[StoredObject]) -> Iterator[KeptHead]:
        for stored in found:
            with suppress(ObjectMissingError):
                try:
                    yield KeptHead.model_validate_json(self._store.get_bytes(stored.key))
                except ValidationError:
                    yield KeptHead(sequence=1, hash="unreadable", at=stored.modified_at, signature="unreadable")


class Spool:
    """Where entries wait, on this machine's disk, while the catalogue is away; shared by its processes.

    Args:
        path: The file; there only while something waits.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(path.name + ".lock")

    def add(self, entries: list[AuditEntry]) -> None:
        """Write entries down; they are on the disk when this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = b"".join(entry.model_dump_json(exclude_none=True).encode() + b"\n" for entry in entries)
        with file_lock(self._lock, SPOOL_LOCK_SECONDS), self._path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def drain(self, trail: AuditTrail) -> int:
        """Hand what waits to the audit; return how many entries were new to it.

        An entry that was handed over just before a crash is handed over again, and known by its id.

        Raises:
            CatalogueUnavailableError: It is still away; everything goes on waiting.
        """
        if not self._path.exists():
            return 0
        with file_lock(self._lock, SPOOL_LOCK_SECONDS):
            entries = list(self._waiting())
            moved = len(trail.append(entries))
            self._path.unlink(missing_ok=True)
        return moved

    def _waiting(self) -> Iterator[AuditEntry]:
        if not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            with suppress(ValidationError):  # half a line: the process died before it answered
                yield AuditEntry.model_validate_json(line)
