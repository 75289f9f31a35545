"""A batch in the catalogue, as its feed reads and writes it: each method is one short unit of work."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from data.database import Database
from data.domain.batches import (
    IN_FLIGHT_ITEMS,
    Batch,
    BatchItem,
    BatchReason,
    BatchState,
    ItemCounts,
    ItemState,
)
from data.domain.errors import FailureClass
from data.domain.publications import PublicationManifest
from data.repositories import (
    AssetRepository,
    BatchItemRepository,
    BatchRepository,
    CandidateRepository,
    ItemRun,
    PublicationRepository,
)
from tasks.bulk.packing import Parcel
from tasks.bulk.sharing import Demand
from tasks.bulk.verdicts import RunReport, Verdict, leftover, own_run

_LIVE = frozenset({BatchState.PLANNED, BatchState.RUNNING, BatchState.PAUSED})


@dataclass(frozen=True, slots=True)
class Standing:
    """How a batch stands."""

    batch: Batch
    counts: ItemCounts
    infra_failures: int
    latest: tuple[tuple[ItemState, str | None], ...]
    """State and code of the items that ended last; empty where nothing depends on them."""
    batches: int
    """How many batches run, this one included."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What came of the items of a run that is over."""

    ended: int
    again: int
    """How many are to be fed again."""


class Ledger:
    """One batch in the catalogue. Lives as long as its feed."""

    def __init__(self, database: Database, batch_id: str) -> None:
        self._database = database
        self._batch_id = batch_id

    def take_over(self, feed_run_id: str) -> None:
        """Note which run feeds the batch: an earlier one that still lives then leaves it alone."""
        with self._database.session() as session:
            BatchRepository(session).record(self._batch_id, feed_run_id=feed_run_id)

    def standing(self) -> Standing:
        """Read how the batch stands."""
        with self._database.session() as session:
            batches, items = BatchRepository(session), BatchItemRepository(session)
            batch = batches.get(self._batch_id)
            counts = items.counts(self._batch_id)
            failures = items.failures(self._batch_id) if counts.failed else {}
            wanted = batch.options.failure_budget.same_code
            return Standing(
                batch=batch,
                counts=counts,
                infra_failures=sum(n for (kind, _), n in failures.items() if kind == FailureClass.INFRA),
                latest=items.last_ended(self._batch_id, wanted) if wanted and counts.failed >= wanted else (),
                batches=batches.count_running() + (batch.state is not BatchState.RUNNING),
            )

    def demands(self) -> tuple[Demand, ...]:
        """Return what all batches that run still have to do, this one included."""
        with self._database.session() as session:
            batches, items = BatchRepository(session), BatchItemRepository(session)
            running = {batch.id: batch for batch in (batches.get(self._batch_id), *batches.running())}
            return tuple(
                Demand(batch.id, deadline, items.work_left(batch.id) if deadline else 0.0)
                for batch in running.values()
                for deadline in [batch.options.finish_by]
            )

    def runs(self) -> tuple[ItemRun, ...]:
        """Return the runs that have items which have not ended."""
        with self._database.session() as session:
            return BatchItemRepository(session).runs_in_flight(self._batch_id)

    def items_of(self, run_keys: Collection[str]) -> dict[str, tuple[BatchItem, ...]]:
        """Return the items of runs that have not ended, by run."""
        with self._database.session() as session:
            items = BatchItemRepository(session)
            return {key: _in_flight(items.of_run(key)) for key in run_keys}

    def pending(self, now: datetime, limit: int) -> tuple[BatchItem, ...]:
        """Return the items to feed next."""
        with self._database.session() as session:
            return BatchItemRepository(session).next_pending(self._batch_id, now, limit)

    def claim(self, parcels: Collection[Parcel]) -> None:
        """Bind items to runs that are about to be made."""
        with self._database.session() as session:
            items = BatchItemRepository(session)
            for parcel in parcels:
                items.claim(self._batch_id, parcel.rows, parcel.run_key)

    def submitted(self, run_ids: Mapping[str, str]) -> None:
        """Note that runs exist, by run key."""
        with self._database.session() as session:
            items = BatchItemRepository(session)
            for key, run_id in run_ids.items():
                items.submitted(key, run_id)

    def began(self, run_key: str, row: int) -> None:
        """Note that the run of a single item is at work."""
        with self._database.session() as session:
            BatchItemRepository(session).start(self._batch_id, row, run_key, "")

    def settle(self, run: ItemRun, report: RunReport, *, is_own_run: bool, cost: float, attempts: int) -> Settlement:
        """Bring the items of a run that is over to an end, or give them back to be fed again.

        Args:
            run: The run.
            report: What became of it.
            is_own_run: It worked on one item, and told the catalogue nothing of it.
            cost: What it cost, where it is its item's own.
            attempts: How often an item may be fed.
        """
        with self._database.session() as session:
            items = BatchItemRepository(session)
            again: list[int] = []
            left = _in_flight(items.of_run(run.run_key))
            for item in left:
                if is_own_run:
                    asset_id, published = _outcome(session, run.run_id or "")
                    verdict = own_run(item, report, asset_id, published, attempts)
                else:
                    verdict = leftover(item, report, attempts)
                if verdict is None:
                    again.append(item.row)
                else:
                    self._end(session, item, run.run_key, verdict, cost if is_own_run else 0.0)
            if again:
                items.release(run.run_key, again)
            return Settlement(len(left) - len(again), len(again))

    def cancel_pending(self, reason: BatchReason, *, spare: Collection[str] = ()) -> int:
        """Cancel what was not fed, but for some priorities; return how many."""
        with self._database.session() as session:
            return BatchItemRepository(session).cancel_pending(self._batch_id, reason.value, spare=spare)

    def move(self, to: BatchState, reason: BatchReason | None, message: str) -> bool:
        """Bring the batch into a state; ``False`` when it has ended meanwhile."""
        with self._database.session() as session:
            return BatchRepository(session).move(self._batch_id, to, allowed_from=_LIVE, reason=reason, message=message)

    def work(self) -> dict[ItemState, float]:
        """Return the estimated work in seconds by item state."""
        with self._database.session() as session:
            return BatchItemRepository(session).work(self._batch_id)

    def _end(self, session: Session, item: BatchItem, run_key: str, verdict: Verdict, cost: float) -> None:
        outcome = {**verdict.outcome, "cost": item.cost + cost}
        if BatchItemRepository(session).finish(self._batch_id, item.row, run_key, verdict.state, **outcome) and cost:
            BatchRepository(session).spend(self._batch_id, cost)


def _in_flight(items: Collection[BatchItem]) -> tuple[BatchItem, ...]:
    return tuple(item for item in items if item.state in IN_FLIGHT_ITEMS)


def _outcome(session: Session, run_id: str) -> tuple[str | None, PublicationManifest | None]:
    """Return the asset that a job worked on, and what is public about it, or waits for a person."""
    asset_id = AssetRepository(session).asset_of_job(run_id)
    publications = PublicationRepository(session)
    published = publications.of_job(run_id)
    if published is None and asset_id is not None:
        # A job that found the same waiting, or published already, has no version of its own.
        waiting = CandidateRepository(session).waiting(asset_id)
        published = waiting.manifest if waiting else publications.latest(asset_id)
    return asset_id, published
