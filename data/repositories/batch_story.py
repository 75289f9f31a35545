"""What a batch has been through, for its report: when it stood still, what its first items came to, what steps took."""

from collections.abc import Sequence
from itertools import zip_longest

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from data.domain.batches import ENDED_BATCHES, Batch, BatchReason, BatchState, ItemState
from data.domain.nights import CanaryOutcome, Pause, StepActual
from data.tables import BatchItemRow, BatchMoveRow, StepCostRow

_TRIED = (ItemState.SUCCEEDED.value, ItemState.FAILED.value)


class BatchStoryRepository:
    """The story of one batch within one unit of work."""

    def __init__(self, session: Session, batch: Batch) -> None:
        self._session = session
        self._batch = batch

    def pauses(self) -> tuple[Pause, ...]:
        """Return when the batch stood still after it had begun, in order."""
        begun = self._batch.started_at
        if begun is None:
            return ()
        query = select(BatchMoveRow).where(BatchMoveRow.batch_id == self._batch.id).order_by(BatchMoveRow.id)
        return tuple(pause for pause in _pauses(self._session.scalars(query).all()) if pause.begins_at >= begun)

    def canary(self) -> CanaryOutcome | None:
        """Return what the items that went first, alone, came to; ``None`` when the batch had none or none has ended."""
        batch = self._batch
        if not batch.options.canary_items:
            return None
        query = (
            select(BatchItemRow.state)
            .where(BatchItemRow.batch_id == batch.id, BatchItemRow.state.in_(_TRIED))
            .order_by(BatchItemRow.ended_at, BatchItemRow.row)
            .limit(batch.options.canary_items)
        )
        states = list(self._session.scalars(query))
        if not states:
            return None
        failed = states.count(ItemState.FAILED.value)
        return CanaryOutcome(items=len(states), failed=failed, passed=batch.reason is not BatchReason.CANARY_FAILED)

    def step_actuals(self) -> tuple[StepActual, ...]:
        """Return what each step took for the batch's videos while the batch ran, the longest first.

        Told by the videos, since a step may be a run of its own; what another job did to one of them then counts too.
        """
        batch = self._batch
        if batch.started_at is None:
            return ()
        videos = select(BatchItemRow.asset_id).where(BatchItemRow.batch_id == batch.id).distinct()
        seconds = func.sum(StepCostRow.machine_seconds)
        query = (
            select(StepCostRow.step, func.count(StepCostRow.asset_id.distinct()), seconds)
            .where(StepCostRow.asset_id.in_(videos), StepCostRow.recorded_at >= batch.started_at)
            .group_by(StepCostRow.step)
            .order_by(seconds.desc())
        )
        if batch.ended_at is not None:
            query = query.where(StepCostRow.recorded_at <= batch.ended_at)
        rows = self._session.execute(query).tuples()
        return tuple(StepActual(step=step, items=items, machine_seconds=total) for step, items, total in rows)


def _pauses(moves: Sequence[BatchMoveRow]) -> list[Pause]:
    pauses = []
    for move, after in zip_longest(moves, moves[1:]):
        if move.state == BatchState.PAUSED.value:
            ended = None if after is None or after.state in ENDED_BATCHES else after.moved_at
            pauses.append(Pause(begins_at=move.moved_at, ends_at=ended, reason=move.reason or ""))
    return pauses
