"""The items of one run, as the catalogue has them: begun, ended or given back one by one."""

from collections.abc import Collection

from data.database import Database
from data.domain.batches import IN_FLIGHT_ITEMS, BatchItem, ItemState
from data.domain.errors import DailiesError, InfrastructureError
from data.domain.jobs import REVIEW_REASON
from data.repositories import BatchItemRepository, BatchRepository
from tasks.bulk.verdicts import failure, is_machines_fault


class Pack:
    """The items that a run was made for, and their records. Lives as long as the run.

    An item that was taken away from the run meanwhile (cancelled, or fed again elsewhere) is no longer in its hand:
    nothing that is done to it here has an effect.

    Not a dataclass: of those Prefect looks through every field, all items included, whenever a task is given one.

    Args:
        database: The catalogue.
        batch_id: The batch of the items.
        run_key: The key under which they were bound to their run.
        items: Those that are to be worked on, in the order of feeding.
        item_attempts: How often an item is fed when machines are at fault.
    """

    def __init__(
        self, database: Database, batch_id: str, run_key: str, items: tuple[BatchItem, ...], item_attempts: int
    ) -> None:
        self.batch_id = batch_id
        self.run_key = run_key
        self.items = items
        self._database = database
        self._item_attempts = item_attempts

    @classmethod
    def open(cls, database: Database, batch_id: str, run_key: str) -> "Pack":
        """Read the items of a run that have not ended.

        Raises:
            NotFoundError: There is no such batch.
        """
        with database.session() as session:
            batch = BatchRepository(session).get(batch_id)
            items = BatchItemRepository(session).of_run(run_key)
        left = tuple(item for item in items if item.state in IN_FLIGHT_ITEMS)
        return cls(database, batch_id, run_key, left, batch.options.item_attempts)

    def of_recipes(self, names: Collection[str]) -> "Pack":
        """Return the part of the pack that has one of these recipes."""
        items = tuple(item for item in self.items if item.recipe in names)
        return Pack(self._database, self.batch_id, self.run_key, items, self._item_attempts)

    def begin(self, item: BatchItem, step: str) -> bool:
        """Note that an item has come to a step; ``False`` when it is not to be worked on any more."""
        with self._database.session() as session:
            return BatchItemRepository(session).start(self.batch_id, item.row, self.run_key, step)

    def begin_all(self, items: tuple[BatchItem, ...], step: str) -> tuple[BatchItem, ...]:
        """Note that items have come to a step; return those that are to be worked on."""
        rows = [item.row for item in items]
        with self._database.session() as session:
            begun = set(BatchItemRepository(session).start_all(self.batch_id, rows, self.run_key, step))
        return tuple(item for item in items if item.row in begun)

    def succeed(self, item: BatchItem, asset_id: str, version: int | None, cost: float) -> None:
        """End an item that was published under a version, or whose version waits for a person (``None``)."""
        with self._database.session() as session:
            items = BatchItemRepository(session)
            reason = REVIEW_REASON if version is None else None
            outcome = {"asset_id": asset_id, "version": version, "reason": reason, "cost": item.cost + cost}
            items.finish(self.batch_id, item.row, self.run_key, ItemState.SUCCEEDED, **outcome)
            _spend(BatchRepository(session), self.batch_id, cost)

    def succeed_all(self, items: tuple[BatchItem, ...]) -> None:
        """End items for which there was nothing to make."""
        rows = [item.row for item in items]
        with self._database.session() as session:
            BatchItemRepository(session).finish_all(self.batch_id, rows, self.run_key, ItemState.SUCCEEDED)

    def fail(self, item: BatchItem, error: BaseException, cost: float) -> bool:
        """End an item that failed; or give it back to be fed again, where the machines are at fault.

        Returns:
            Whether it ended.
        """
        known = error if isinstance(error, DailiesError) else InfrastructureError(f"{type(error).__name__}: {error}")
        with self._database.session() as session:
            items = BatchItemRepository(session)
            _spend(BatchRepository(session), self.batch_id, cost)
            if is_machines_fault(known) and item.attempt < self._item_attempts:
                items.release(self.run_key, [item.row])
                return False
            verdict = failure(known)
            outcome = {**verdict.outcome, "cost": item.cost + cost}
            items.finish(self.batch_id, item.row, self.run_key, verdict.state, **outcome)
            return True


def _spend(batches: BatchRepository, batch_id: str, cost: float) -> None:
    if cost:
        batches.spend(batch_id, cost)
