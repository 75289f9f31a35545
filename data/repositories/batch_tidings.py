"""What became of batches and their rows, for those who are told: read in order, by a cursor."""

from datetime import datetime

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session, aliased

from data.domain.batches import ENDED_BATCHES, ENDED_ITEMS, BatchState, ItemState, own_id
from data.domain.tidings import BatchMove, ItemEnd
from data.tables import BatchItemRow, BatchMoveRow, BatchRow


class BatchTidingsRepository:
    """Moves of all batches, and ends of their rows, within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def last_move(self) -> int:
        """Return the number of the last move there is; 0 where there is none."""
        return self._session.scalar(select(func.max(BatchMoveRow.id))) or 0

    def moves_after(self, number: int, limit: int) -> tuple[BatchMove, ...]:
        """Return moves with a higher number, oldest first."""
        row, earlier = BatchMoveRow, aliased(BatchMoveRow)
        of_same = (earlier.batch_id == row.batch_id, earlier.id < row.id)
        previous = select(earlier.state).where(*of_same).order_by(earlier.id.desc()).limit(1).scalar_subquery()
        before = select(func.count()).select_from(earlier).where(*of_same).scalar_subquery()
        query = (
            select(row, BatchRow, previous, before)
            .join(BatchRow, BatchRow.id == row.batch_id)
            .where(row.id > number)
            .order_by(row.id)
            .limit(limit)
        )
        return tuple(
            BatchMove(
                id=move.id,
                batch_id=move.batch_id,
                name=batch.name,
                owner=batch.owner,
                state=BatchState(move.state),
                reason=move.reason,
                previous=BatchState(was) if was else None,
                sequence=count + 1,
                moved_at=move.moved_at,
                endpoints=tuple(batch.webhooks),
                traceparent=batch.traceparent,
            )
            for move, batch, was, count in self._session.execute(query).tuples()
        )

    def items_ended_after(self, after: tuple[datetime, str, int], limit: int) -> tuple[ItemEnd, ...]:
        """Return rows of living and lately ended batches that ended after one of them, oldest first.

        Args:
            after: When it ended, its batch and its row; a whole batch may end at one moment.
            limit: Most of them.
        """
        row, at = BatchItemRow, after[0]
        is_of_now = BatchRow.state.not_in([each.value for each in ENDED_BATCHES]) | (BatchRow.ended_at >= at)
        query = (
            select(row, BatchRow.owner, BatchRow.webhooks, BatchRow.traceparent)
            .join(BatchRow, BatchRow.id == row.batch_id)
            .where(
                is_of_now,
                row.state.in_([each.value for each in ENDED_ITEMS]),
                tuple_(row.ended_at, row.batch_id, row.row) > after,
            )
            .order_by(row.ended_at, row.batch_id, row.row)
            .limit(limit)
        )
        return tuple(
            ItemEnd(
                batch_id=item.batch_id,
                row=item.row,
                custom_id=own_id(item.custom_id, item.batch_id, item.row),
                owner=owner,
                state=ItemState(item.state),
                reason=item.reason,
                code=item.code,
                attempt=item.attempt,
                asset_id=item.asset_id,
                ended_at=item.ended_at or at,
                endpoints=tuple(webhooks),
                traceparent=traceparent,
            )
            for item, owner, webhooks, traceparent in self._session.execute(query).tuples()
        )
