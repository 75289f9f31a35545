"""The audit within one unit of work: entries come at the end, and nothing else ever happens to them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from data.domain.audit import GENESIS, AuditEntry, AuditKind, ChainedEntry, ChainHead
from data.repositories.statements import in_chunks, insert_once, storable
from data.tables import AuditHeadRow, AuditRow

ROWS_AT_ONCE = 1000
_MOST_CHARACTERS = 500
"""Of one text: who sends a long one wants to fill the disk."""
_ONLY = 1


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """Which entries are meant; every part that is given has to hold."""

    kind: AuditKind | None = None
    user: str | None = None
    key: str | None = None
    address: str | None = None
    scope: str | None = None
    method: str | None = None
    route: str | None = None
    resource: str | None = None
    request_id: str | None = None
    trace_id: str | None = None
    job: str | None = None
    status: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Before that time."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return them as SQL."""
        names = ("user", "key", "address", "scope", "method", "route", "resource", "request_id", "trace_id", "job")
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        found = [getattr(AuditRow, name) == storable(value) for name, value in given.items() if value is not None]
        if self.kind is not None:
            found.append(AuditRow.kind == self.kind.value)
        if self.status is not None:
            found.append(AuditRow.status == self.status)
        if self.since is not None:
            found.append(AuditRow.at >= self.since)
        if self.until is not None:
            found.append(AuditRow.at < self.until)
        return found


class AuditRepository:
    """The audit within one unit of work.

    Who appends holds the lock of the head's row (on SQLite, of the database) until the unit of work is over: there is
    one writer at a time among all processes, and the numbers have no gaps.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, entries: Iterable[AuditEntry]) -> tuple[ChainedEntry, ...]:
        """Put entries at the end of the chain, in their order, but those that it has already; return the new ones."""
        head = self._locked_head()
        chained: list[ChainedEntry] = []
        for entry in self._unknown(entries):
            chained.append(ChainedEntry.after(head, entry))
            head = chained[-1].head
        if chained:
            self._session.execute(insert(AuditRow), [_values(each) for each in chained])
            values = {"sequence": head.sequence, "hash": head.hash}
            self._session.execute(update(AuditHeadRow).where(AuditHeadRow.id == _ONLY).values(**values))
        return tuple(chained)

    def head(self) -> ChainHead:
        """Return how far the chain goes, by its own count."""
        row = self._session.get(AuditHeadRow, _ONLY, populate_existing=True)
        return ChainHead() if row is None else ChainHead(sequence=row.sequence, hash=row.hash)

    def pruned(self) -> ChainHead:
        """Return the last entry that lies in the archive only."""
        row = self._session.get(AuditHeadRow, _ONLY, populate_existing=True)
        return ChainHead() if row is None else ChainHead(sequence=row.pruned, hash=row.pruned_hash)

    def prune(self, through: ChainHead) -> None:
        """Delete the entries up to one; the archive has them. Nothing happens when another process was faster."""
        self._locked_head()
        if through.sequence <= self.pruned().sequence:
            return
        values = {"pruned": through.sequence, "pruned_hash": through.hash}
        self._session.execute(update(AuditHeadRow).where(AuditHeadRow.id == _ONLY).values(**values))
        self._session.execute(delete(AuditRow).where(AuditRow.sequence <= through.sequence))

    def page(self, chosen: AuditFilter, *, before: int | None = None, limit: int = 50) -> tuple[ChainedEntry, ...]:
        """Return entries, the latest first; ``before`` is the number of the last one of the page before."""
        query = select(AuditRow).where(*chosen.conditions()).order_by(AuditRow.sequence.desc()).limit(limit)
        if before is not None:
            query = query.where(AuditRow.sequence < before)
        return tuple(_chained(row) for row in self._session.scalars(query))

    def following(
        self, sequence: int, chosen: AuditFilter | None = None, *, limit: int = ROWS_AT_ONCE
    ) -> tuple[ChainedEntry, ...]:
        """Return the entries after a number, oldest first."""
        query = select(AuditRow).where(AuditRow.sequence > sequence).order_by(AuditRow.sequence).limit(limit)
        found = self._session.scalars(query.where(*chosen.conditions()) if chosen else query)
        return tuple(_chained(row) for row in found)

    def latest(self, kind: AuditKind) -> datetime | None:
        """Return the time of the latest entry of a kind."""
        return self._session.scalar(select(func.max(AuditRow.at)).where(AuditRow.kind == kind.value))

    def _locked_head(self) -> ChainHead:
        empty = {"sequence": 0, "hash": GENESIS, "pruned": 0, "pruned_hash": GENESIS}
        query = select(AuditHeadRow).where(AuditHeadRow.id == _ONLY).with_for_update()
        row = self._session.scalar(query, execution_options={"populate_existing": True})
        if row is None:
            insert_once(self._session, AuditHeadRow, {"id": _ONLY, **empty})
            row = self._session.scalars(query).one()
        return ChainHead(sequence=row.sequence, hash=row.hash)

    def _unknown(self, entries: Iterable[AuditEntry]) -> Iterator[AuditEntry]:
        by_id = {entry.id: entry for entry in map(_clean, entries)}
        for chunk in in_chunks(by_id.values()):
            ids = [entry.id for entry in chunk]
            known = set(self._session.scalars(select(AuditRow.id).where(AuditRow.id.in_(ids))))
            yield from (entry for entry in chunk if entry.id not in known)


def _clean(entry: AuditEntry) -> AuditEntry:
    """Return an entry as the database gives it back: the hash is of what is stored."""
    texts = {name: value for name, value in entry if isinstance(value, str) and not isinstance(value, AuditKind)}
    return entry.model_copy(update={name: storable(value)[:_MOST_CHARACTERS] for name, value in texts.items()})


def _values(each: ChainedEntry) -> dict[str, Any]:
    values = {name: getattr(each.entry, name) for name in AuditEntry.model_fields}
    return {
        **values,
        "kind": each.entry.kind.value,
        "sequence": each.sequence,
        "previous": each.previous,
        "hash": each.hash,
    }


def _chained(row: AuditRow) -> ChainedEntry:
    # Not validated: what somebody wrote past us has to reach the check as it is.
    values = {name: getattr(row, name) for name in AuditEntry.model_fields}
    kind = AuditKind(row.kind) if row.kind in AuditKind._value2member_map_ else row.kind
    entry = AuditEntry.model_construct(**{**values, "kind": kind})
    return ChainedEntry.model_construct(sequence=row.sequence, entry=entry, previous=row.previous, hash=row.hash)
