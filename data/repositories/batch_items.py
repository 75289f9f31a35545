"""Items of batches within one unit of work: fed in order, and ended exactly once.

Whoever works on an item names the run key under which it was fed: a run that was given up on and still lives changes
nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Text, bindparam, cast, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from data.domain.batches import (
    ENDED_BATCHES,
    ENDED_ITEMS,
    IN_FLIGHT_ITEMS,
    PRIORITIES,
    Batch,
    BatchItem,
    ItemCounts,
    ItemState,
)
from data.domain.errors import FailureClass
from data.domain.sources import UPLOAD_SCHEME
from data.repositories.statements import storable
from data.tables import BatchItemRow, BatchRow, utc_now

_CHUNK_ROWS = 1000
_PRIORITY_SPAN = 1e9
"""More seconds of estimated work than any item has, so that priority comes before length."""
_DEFAULTS: dict[str, Any] = {
    "source": "",
    "prompt": "",
    "script": "",
    "overrides": {},
    "wish_key": "",
    "priority": "default",
    "not_before": None,
    "title": "",
    "metadata": {},
    "state": ItemState.PENDING.value,
    "reason": None,
    "estimated_seconds": 0.0,
    "attempt": 0,
    "step": None,
    "failure_class": None,
    "code": None,
    "message": "",
    "asset_id": None,
    "version": None,
    "cost": 0.0,
    "ended_at": None,
}
"""What a row of a manifest need not say; the other columns start empty."""


@dataclass(frozen=True, slots=True)
class ItemRun:
    """A run that has items which have not ended."""

    run_key: str
    run_id: str | None
    """``None`` until it is known that the run was made."""
    items: int
    """How many of its items have not ended."""
    estimated_seconds: float
    """Work of those items, as estimated."""


@dataclass(frozen=True, slots=True)
class StateTally:
    """What the items of a batch that are in one state amount to."""

    items: int
    estimated_seconds: float
    last_ended_at: datetime | None


def rank(priority: str, estimated_seconds: float) -> float:
    """Return where an item stands in the order of feeding, lowest first: by priority, then longest first."""
    return PRIORITIES.index(priority) * _PRIORITY_SPAN - estimated_seconds


class BatchItemRepository:
    """Items within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, batch_id: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Insert rows of a manifest and return how many.

        Args:
            batch_id: Their batch.
            rows: ``row``, ``custom_id``, ``recipe``, and any other field of :class:`BatchItem` that is known.
        """
        values = [_insertable(batch_id, row) for row in rows]
        for start in range(0, len(values), _CHUNK_ROWS):
            self._session.execute(insert(BatchItemRow.__table__), values[start : start + _CHUNK_ROWS])  # type: ignore[arg-type]
        return len(values)

    def drop(self, batch_id: str) -> None:
        """Remove all items of a batch: its validation begins anew."""
        self._session.execute(delete(BatchItemRow).where(BatchItemRow.batch_id == batch_id))

    def revise(self, batch_id: str, revisions: Sequence[Mapping[str, Any]]) -> None:
        """Change planned fields of pending items, by row.

        Args:
            batch_id: Their batch.
            revisions: ``row`` and ``estimated_seconds``, ``priority`` (for the order), ``state``, ``reason``,
                ``asset_id``, ``version``: all of them, in each.
        """
        if not revisions:
            return
        table = BatchItemRow.__table__
        statement = (
            update(BatchItemRow)
            .where(table.c.batch_id == batch_id, table.c.row == bindparam("of_row"))
            .where(table.c.state == ItemState.PENDING.value)
            .values(
                estimated_seconds=bindparam("new_estimate"),
                rank=bindparam("new_rank"),
                state=bindparam("new_state"),
                reason=bindparam("new_reason"),
                asset_id=bindparam("new_asset"),
                version=bindparam("new_version"),
                ended_at=bindparam("new_end"),
            )
        )
        now = utc_now()
        parameters = [
            {
                "of_row": each["row"],
                "new_estimate": each["estimated_seconds"],
                "new_rank": rank(each["priority"], each["estimated_seconds"]),
                "new_state": ItemState(each["state"]).value,
                "new_reason": each["reason"],
                "new_asset": each["asset_id"],
                "new_version": each["version"],
                "new_end": now if ItemState(each["state"]) in ENDED_ITEMS else None,
            }
            for each in revisions
        ]
        self._session.connection().execute(statement, parameters)

    def uploads_needed(self, upload_ids: Collection[str]) -> frozenset[str]:
        """Return those uploads that an item which has not ended names: as its source, or anywhere in its overrides.

        Args:
            upload_ids: Some hundreds, at most.
        """
        if not upload_ids:
            return frozenset()
        addresses = {f"{UPLOAD_SCHEME}{upload}": upload for upload in upload_ids}
        living = BatchItemRow.batch_id.in_(select(BatchRow.id).where(BatchRow.state.not_in(_values(ENDED_BATCHES))))
        waiting = living & BatchItemRow.state.not_in(_values(ENDED_ITEMS))
        sources = select(BatchItemRow.source).where(waiting, BatchItemRow.source.in_(addresses)).distinct()
        overrides = cast(BatchItemRow.overrides, Text)
        named = select(overrides).where(waiting, overrides.contains(UPLOAD_SCHEME)).distinct()
        needed = {addresses[source] for source in self._session.scalars(sources)}
        for text in self._session.scalars(named):
            needed |= {upload for address, upload in addresses.items() if address in text}
        return frozenset(needed)

    def counts(self, batch_id: str) -> ItemCounts:
        """Return how many items are in each state."""
        by_state = (
            select(BatchItemRow.state, func.count())
            .where(BatchItemRow.batch_id == batch_id)
            .group_by(BatchItemRow.state)
        )
        rows = self._session.scalar(select(BatchRow.rows).where(BatchRow.id == batch_id)) or 0
        return ItemCounts.of(rows, dict(self._session.execute(by_state).tuples().all()))

    def counts_of(self, batches: Iterable[Batch]) -> dict[str, ItemCounts]:
        """Return how many items of each of some batches are in each state, by batch, with one question."""
        rows = {batch.id: batch.rows for batch in batches}
        found: dict[str, dict[str, int]] = {batch_id: {} for batch_id in rows}
        query = (
            select(BatchItemRow.batch_id, BatchItemRow.state, func.count())
            .where(BatchItemRow.batch_id.in_(rows))
            .group_by(BatchItemRow.batch_id, BatchItemRow.state)
        )
        for batch_id, state, count in self._session.execute(query).tuples():
            found[batch_id][state] = count
        return {batch_id: ItemCounts.of(rows[batch_id], by_state) for batch_id, by_state in found.items()}

    def tally(self, batch_id: str) -> dict[ItemState, StateTally]:
        """Return what the items in each state amount to."""
        query = (
            select(
                BatchItemRow.state,
                func.count(),
                func.sum(BatchItemRow.estimated_seconds),
                func.max(BatchItemRow.ended_at),
            )
            .where(BatchItemRow.batch_id == storable(batch_id))
            .group_by(BatchItemRow.state)
        )
        return {ItemState(state): StateTally(*rest) for state, *rest in self._session.execute(query)}

    def page(
        self, batch_id: str, *, states: Collection[ItemState] = (), after_row: int = 0, limit: int = 200
    ) -> tuple[BatchItem, ...]:
        """Return items in the order of the manifest, those after a row."""
        query = (
            select(BatchItemRow)
            .where(BatchItemRow.batch_id == storable(batch_id), BatchItemRow.row > after_row)
            .order_by(BatchItemRow.row)
            .limit(limit)
        )
        if states:
            query = query.where(BatchItemRow.state.in_([state.value for state in states]))
        return tuple(_item(row) for row in self._session.scalars(query))

    def all(self, batch_id: str, states: Collection[ItemState] = ()) -> Iterator[BatchItem]:
        """Give all items in the order of the manifest, a thousand at a time in memory."""
        after = 0
        while items := self.page(batch_id, states=states, after_row=after, limit=_CHUNK_ROWS):
            yield from items
            after = items[-1].row
            self._session.expunge_all()

    def get(self, batch_id: str, row: int) -> BatchItem | None:
        """Return one item, or ``None``."""
        found = self._session.get(BatchItemRow, (storable(batch_id), row), populate_existing=True)
        return None if found is None else _item(found)

    def of_run(self, run_key: str) -> tuple[BatchItem, ...]:
        """Return the items that a run was made for, in the order of feeding."""
        query = (
            select(BatchItemRow).where(BatchItemRow.run_key == run_key).order_by(BatchItemRow.rank, BatchItemRow.row)
        )
        return tuple(_item(row) for row in self._session.scalars(query))

    def next_pending(self, batch_id: str, now: datetime, limit: int) -> tuple[BatchItem, ...]:
        """Return the items to feed next: by priority, then the longest first, then as in the manifest."""
        query = (
            select(BatchItemRow)
            .where(BatchItemRow.batch_id == batch_id, BatchItemRow.state == ItemState.PENDING.value)
            .where(or_(BatchItemRow.not_before.is_(None), BatchItemRow.not_before <= now))
            .order_by(BatchItemRow.rank, BatchItemRow.row)
            .limit(limit)
        )
        return tuple(_item(row) for row in self._session.scalars(query))

    def next_due(self, batch_id: str) -> datetime | None:
        """Return the earliest ``not_before`` of the pending items; ``None`` when none has one."""
        query = select(func.min(BatchItemRow.not_before)).where(
            BatchItemRow.batch_id == batch_id, BatchItemRow.state == ItemState.PENDING.value
        )
        return self._session.scalar(query)

    def claim(self, batch_id: str, rows: Collection[int], run_key: str) -> tuple[int, ...]:
        """Bind pending items to a run that is about to be made; return the rows that were still pending."""
        statement = (
            update(BatchItemRow)
            .where(BatchItemRow.batch_id == batch_id, BatchItemRow.row.in_(rows))
            .where(BatchItemRow.state == ItemState.PENDING.value)
            .values(state=ItemState.FEEDING.value, run_key=run_key, attempt=BatchItemRow.attempt + 1, run_id=None)
            .returning(BatchItemRow.row)
        )
        return tuple(self._session.scalars(statement))

    def submitted(self, run_key: str, run_id: str) -> None:
        """Note that the run exists; its items may have begun already."""
        mine = BatchItemRow.run_key == run_key
        self._session.execute(update(BatchItemRow).where(mine).values(run_id=run_id))
        fed = mine & (BatchItemRow.state == ItemState.FEEDING.value)
        self._session.execute(update(BatchItemRow).where(fed).values(state=ItemState.QUEUED.value))

    def runs_in_flight(self, batch_id: str) -> tuple[ItemRun, ...]:
        """Return the runs that have items which have not ended, the first rows first."""
        query = (
            select(
                BatchItemRow.run_key,
                func.max(BatchItemRow.run_id),
                func.count(),
                func.sum(BatchItemRow.estimated_seconds),
            )
            .where(BatchItemRow.batch_id == batch_id, BatchItemRow.state.in_([each.value for each in IN_FLIGHT_ITEMS]))
            .group_by(BatchItemRow.run_key)
            .order_by(func.min(BatchItemRow.row))
        )
        return tuple(
            ItemRun(key or "", run_id, items, seconds)
            for key, run_id, items, seconds in self._session.execute(query).tuples()
        )

    def start(self, batch_id: str, row: int, run_key: str, step: str) -> bool:
        """Note that an item's run has come to it, or to its next step; ``False`` when it is not to be worked on."""
        return bool(self.start_all(batch_id, (row,), run_key, step))

    def start_all(self, batch_id: str, rows: Collection[int], run_key: str, step: str) -> tuple[int, ...]:
        """Note that a run has come to several items at once; return those that are to be worked on."""
        now = utc_now()
        statement = (
            update(BatchItemRow)
            .where(*_in_hand(batch_id, rows, run_key))
            .values(state=ItemState.RUNNING.value, step=step, started_at=func.coalesce(BatchItemRow.started_at, now))
        )
        return tuple(sorted(self._session.scalars(statement.returning(BatchItemRow.row))))

    def finish(self, batch_id: str, row: int, run_key: str, state: ItemState, **outcome: Any) -> bool:
        """End an item, once; ``False`` when it has ended or was taken away from this run.

        Args:
            batch_id: Its batch.
            row: Its row.
            run_key: The run that worked on it.
            state: Where it ended.
            outcome: ``reason``, ``asset_id``, ``version``, ``cost``, ``failure_class``, ``code``, ``message``,
                ``step``.
        """
        return bool(self.finish_all(batch_id, (row,), run_key, state, **outcome))

    def finish_all(
        self, batch_id: str, rows: Collection[int], run_key: str, state: ItemState, **outcome: Any
    ) -> tuple[int, ...]:
        """End several items alike, as :meth:`finish` does one; return those that had not ended."""
        if "message" in outcome:
            outcome["message"] = storable(outcome["message"])
        statement = (
            update(BatchItemRow)
            .where(*_in_hand(batch_id, rows, run_key))
            .values(state=state.value, ended_at=utc_now(), **outcome)
        )
        return tuple(sorted(self._session.scalars(statement.returning(BatchItemRow.row))))

    def release(self, run_key: str, rows: Collection[int] | None = None) -> int:
        """Give items of a run that is gone back to be fed again; return how many."""
        statement = (
            update(BatchItemRow)
            .where(BatchItemRow.run_key == run_key, BatchItemRow.state.in_([each.value for each in IN_FLIGHT_ITEMS]))
            .values(state=ItemState.PENDING.value, run_key=None, run_id=None, step=None)
            .returning(BatchItemRow.row)
        )
        if rows is not None:
            statement = statement.where(BatchItemRow.row.in_(rows))
        return len(self._session.scalars(statement).all())

    def cancel_pending(self, batch_id: str, reason: str, *, spare: Collection[str] = ()) -> int:
        """Cancel what was not fed, but for some priorities; return how many."""
        statement = (
            update(BatchItemRow)
            .where(BatchItemRow.batch_id == batch_id, BatchItemRow.state == ItemState.PENDING.value)
            .where(BatchItemRow.priority.not_in(spare))
            .values(state=ItemState.CANCELLED.value, reason=reason, ended_at=utc_now())
            .returning(BatchItemRow.row)
        )
        return len(self._session.scalars(statement).all())

    def last_ended(self, batch_id: str, limit: int) -> tuple[tuple[ItemState, str | None], ...]:
        """Return state and code of the items that succeeded or failed, the latest ended first.

        What failed for reasons of the machines is left out.
        """
        judged = [ItemState.SUCCEEDED.value, ItemState.FAILED.value]
        query = (
            select(BatchItemRow.state, BatchItemRow.code)
            .where(BatchItemRow.batch_id == batch_id, BatchItemRow.state.in_(judged))
            .where(func.coalesce(BatchItemRow.failure_class, "") != FailureClass.INFRA.value)
            .order_by(BatchItemRow.ended_at.desc(), BatchItemRow.row.desc())
            .limit(limit)
        )
        return tuple((ItemState(state), code) for state, code in self._session.execute(query))

    def work(self, batch_id: str) -> dict[ItemState, float]:
        """Return the estimated work in seconds of the items in each state."""
        query = (
            select(BatchItemRow.state, func.sum(BatchItemRow.estimated_seconds))
            .where(BatchItemRow.batch_id == batch_id)
            .group_by(BatchItemRow.state)
        )
        return {ItemState(state): seconds for state, seconds in self._session.execute(query)}

    def work_left(self, batch_id: str) -> float:
        """Return the estimated work in seconds of the items that have not ended."""
        return sum(seconds for state, seconds in self.work(batch_id).items() if state not in ENDED_ITEMS)

    def failures(self, batch_id: str) -> dict[tuple[str, str], int]:
        """Return how many items failed, by (failure class, code)."""
        query = (
            select(BatchItemRow.failure_class, BatchItemRow.code, func.count())
            .where(BatchItemRow.batch_id == batch_id, BatchItemRow.state == ItemState.FAILED.value)
            .group_by(BatchItemRow.failure_class, BatchItemRow.code)
        )
        return {(kind or "", code or ""): count for kind, code, count in self._session.execute(query)}


def _in_hand(batch_id: str, rows: Collection[int], run_key: str) -> tuple[Any, ...]:
    in_flight = [each.value for each in IN_FLIGHT_ITEMS]
    return (
        BatchItemRow.batch_id == batch_id,
        BatchItemRow.row.in_(rows),
        BatchItemRow.run_key == run_key,
        BatchItemRow.state.in_(in_flight),
    )


def _insertable(batch_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
    values = {**_DEFAULTS, **row, "batch_id": batch_id}
    values["rank"] = rank(values["priority"], values["estimated_seconds"])
    return values


def _item(row: BatchItemRow) -> BatchItem:
    names = BatchItem.model_fields.keys() - {"metadata"}
    return BatchItem.model_validate({**{name: getattr(row, name) for name in names}, "metadata": row.details})


def _values(states: Iterable[StrEnum]) -> list[str]:
    return [state.value for state in states]
