"""Batches within one unit of work: their state, what was asked of them, and what came of them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session

from data.domain.batches import ENDED_BATCHES, Batch, BatchReason, BatchState, BatchWish
from data.domain.errors import NotFoundError
from data.domain.feeds import REPORT
from data.repositories.statements import storable
from data.tables import BatchMoveRow, BatchRow, utc_now


class BatchRepository:
    """Batches within one unit of work. Moves are conditional: of two that race, one is told that it came too late."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, batch: Batch) -> None:
        """Record a new batch."""
        values = batch.model_dump(mode="json", exclude={"created_at", "started_at", "ended_at"})
        moments = {"created_at": batch.created_at, "started_at": batch.started_at, "ended_at": batch.ended_at}
        texts = {"name": storable(batch.name), "manifest_uri": storable(batch.manifest_uri)}
        self._session.add(BatchRow(**{**values, **moments, **texts}))
        self._session.flush()

    def get(self, batch_id: str, owner: str | None = None) -> Batch:
        """Return a batch.

        Args:
            batch_id: Its id.
            owner: Whose it must be; ``None`` takes anybody's.

        Raises:
            NotFoundError: There is none with that id, or it is another's.
        """
        batch = self.find(batch_id)
        if batch is None or owner not in (None, batch.owner):
            raise NotFoundError(f"There is no batch {batch_id!r}.", {"batch_id": batch_id})
        return batch

    def find(self, batch_id: str) -> Batch | None:
        """Return a batch, or ``None``."""
        row = self._session.get(BatchRow, storable(batch_id))
        return None if row is None else _batch(row)

    def page(
        self,
        *,
        states: Collection[BatchState] = (),
        before: tuple[datetime, str] | None = None,
        limit: int = 50,
        owner: str | None = None,
    ) -> tuple[Batch, ...]:
        """Return batches, the latest first.

        Args:
            states: Only those in one of them; all when empty.
            before: (created_at, id) of the last one of the page before.
            limit: At most this many.
            owner: Whose batches alone; ``None`` is everybody's.
        """
        query = select(BatchRow).order_by(BatchRow.created_at.desc(), BatchRow.id.desc()).limit(limit)
        if states:
            query = query.where(BatchRow.state.in_([state.value for state in states]))
        if owner is not None:
            query = query.where(BatchRow.owner == owner)
        if before is not None:
            query = query.where(tuple_(BatchRow.created_at, BatchRow.id) < before)
        return tuple(_batch(row) for row in self._session.scalars(query))

    def unfinished(self) -> tuple[Batch, ...]:
        """Return the batches that have not ended, oldest first."""
        ended = [state.value for state in ENDED_BATCHES]
        query = select(BatchRow).where(BatchRow.state.not_in(ended)).order_by(BatchRow.created_at, BatchRow.id)
        return tuple(_batch(row) for row in self._session.scalars(query))

    def unreported(self, since: datetime) -> tuple[Batch, ...]:
        """Return the batches that ended since then and have no report, oldest first."""
        query = select(BatchRow).where(BatchRow.ended_at >= since).order_by(BatchRow.created_at, BatchRow.id)
        ended = (_batch(row) for row in self._session.scalars(query))
        return tuple(batch for batch in ended if REPORT not in batch.outputs)

    def running(self) -> tuple[Batch, ...]:
        """Return the batches that have work done for them now, oldest first."""
        query = select(BatchRow).where(BatchRow.state == BatchState.RUNNING.value)
        return tuple(_batch(row) for row in self._session.scalars(query.order_by(BatchRow.created_at, BatchRow.id)))

    def count_running(self) -> int:
        """Return how many batches have work done for them now."""
        query = select(func.count()).where(BatchRow.state == BatchState.RUNNING.value)
        return self._session.scalar(query) or 0

    def move(
        self,
        batch_id: str,
        to: BatchState,
        *,
        allowed_from: Collection[BatchState],
        reason: BatchReason | None = None,
        message: str = "",
    ) -> bool:
        """Bring a batch into a state if it is in one of the given ones; say whether it was.

        The first move to *running* notes when it started, one to an end when it ended.
        """
        now = utc_now()
        values: dict[str, Any] = {"state": to.value, "reason": reason and reason.value, "message": storable(message)}
        if to in ENDED_BATCHES:
            values["ended_at"] = now
        origins = [state.value for state in allowed_from]
        statement = update(BatchRow).where(BatchRow.id == batch_id, BatchRow.state.in_(origins)).values(**values)
        moved = self._session.scalars(statement.returning(BatchRow.id)).first() is not None
        if moved and to is BatchState.RUNNING:
            started = update(BatchRow).where(BatchRow.id == batch_id, BatchRow.started_at.is_(None))
            self._session.execute(started.values(started_at=now))
        if moved:
            self._note_move(batch_id, values["state"], values["reason"], now)
        return moved

    def _note_move(self, batch_id: str, state: str, reason: str | None, now: datetime) -> None:
        """Note the move, unless the batch was there already."""
        latest = (
            select(BatchMoveRow.state, BatchMoveRow.reason)
            .where(BatchMoveRow.batch_id == batch_id)
            .order_by(BatchMoveRow.id.desc())
            .limit(1)
        )
        if self._session.execute(latest).first() != (state, reason):
            self._session.add(BatchMoveRow(batch_id=batch_id, state=state, reason=reason, moved_at=now))
            self._session.flush()

    def set_wish(self, batch_id: str, wish: BatchWish) -> None:
        """Note what a person asks of a batch; its feed obeys."""
        self._change(batch_id, wish=wish.value)

    def record(self, batch_id: str, **values: Any) -> None:
        """Set plain columns: ``rows``, ``manifest_key``, ``plan``, ``feed_run_id``, ``options`` (JSON values)."""
        self._change(batch_id, **values)

    def add_outputs(self, batch_id: str, outputs: dict[str, str]) -> None:
        """Note keys of files that came of a batch, beside those that are known."""
        known = self._session.scalar(select(BatchRow.outputs).where(BatchRow.id == batch_id).with_for_update())
        self._change(batch_id, outputs={**(known or {}), **outputs})

    def spend(self, batch_id: str, amount: float) -> None:
        """Add to what the batch has cost."""
        self._change(batch_id, spent=BatchRow.spent + amount)

    def _change(self, batch_id: str, **values: Any) -> None:
        self._session.execute(update(BatchRow).where(BatchRow.id == batch_id).values(**values))


def _batch(row: BatchRow) -> Batch:
    return Batch.model_validate({name: getattr(row, name) for name in Batch.model_fields})
