"""What a batch will do, before it does it: what is new, how long that takes, when it is done, what it costs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from data.database import Database
from data.domain.batches import (
    PRIORITIES,
    Batch,
    BatchOptions,
    BatchPlan,
    BatchReason,
    BatchState,
    ItemCounts,
    ItemState,
    SkipReason,
)
from data.domain.publications import ToolVersions
from data.repositories import BatchItemRepository, BatchRepository, ItemPlanRepository
from tasks.bulk.assumptions import Assumptions, ProbeSource, Sample, assume, take_sample
from tasks.bulk.cautions import approvals, warnings
from tasks.bulk.changes import LookAt, Recipes
from tasks.bulk.clock import Capacity, finish, working_seconds
from tasks.bulk.costing import Costing, Models, Prices, cost_items
from tasks.bulk.sorting import NewItems, Sorted, Sorter

_AT_ONCE = 2000


@dataclass(frozen=True)
class Planner:
    """Plans batches."""

    database: Database
    recipes: Recipes
    tools: ToolVersions
    """What an encode would be made with now."""
    look_at: LookAt
    probe: ProbeSource
    capacity: Capacity
    prices: Prices
    now: Callable[[], datetime]

    def plan(self, batch_id: str) -> Batch:
        """Decide what is to be done of a validated batch, estimate it, and move the batch on to *planned*.

        A batch that got further, or not so far, is returned as it is. May be begun again at any line: items that were
        found unchanged stay so.

        Raises:
            NotFoundError: There is no such batch.
        """
        batch = self._batch(batch_id)
        if batch.state is not BatchState.PLANNING:
            return batch
        items = Sorter(self.database, self.look_at, self.recipes, self.tools).sort(batch_id)
        sample = self._sampled(items)
        assumed = assume(items.new.work())
        costing = cost_items(items.new, assumed, Models(self.database))
        self._revise(batch_id, items.new, costing)
        return self._planned(batch, self._summed(batch, items, sample, assumed, costing))

    def _sampled(self, items: Sorted) -> Sample:
        """Look into some of the sources that nobody knows, and fill in what is found."""
        sample = take_sample(items.candidates.chosen(), self.probe)
        new = items.new
        for place, facts in sample.facts.items():
            new.media_seconds[place] = facts.duration_seconds
            new.megapixels[place] = facts.video.megapixels
        return sample

    def _revise(self, batch_id: str, items: NewItems, costing: Costing) -> None:
        """Note the estimates, which decide the order of feeding."""
        for start in range(0, len(items), _AT_ONCE):
            places = range(start, min(start + _AT_ONCE, len(items)))
            revisions = [
                {
                    "row": items.rows[place],
                    "priority": PRIORITIES[items.priorities[place]],
                    "estimated_seconds": float(costing.item_seconds[place]),
                    "state": ItemState.PENDING,
                    "reason": None,
                    "asset_id": None,
                    "version": None,
                }
                for place in places
            ]
            with self.database.session() as session:
                BatchItemRepository(session).revise(batch_id, revisions)

    def _summed(self, batch: Batch, items: Sorted, sample: Sample, assumed: Assumptions, costing: Costing) -> BatchPlan:
        options, steps = batch.options, costing.estimates(self.prices)
        counts, unchanged, duplicate = self._counted(batch.id)
        starts_at, finishes_at = self._times(options, costing)
        plan = BatchPlan(
            rows=counts.rows,
            new=counts.pending,
            unchanged=unchanged,
            duplicate=duplicate,
            rejected=counts.rejected,
            media_seconds=costing.media_seconds,
            bytes_in=round(costing.bytes_in),
            bytes_out=round(costing.bytes_out),
            bytes_copied=round(costing.bytes_copied),
            steps=steps,
            wall_seconds=(finishes_at - starts_at).total_seconds(),
            starts_at=starts_at,
            finishes_at=finishes_at,
            cost=sum(step.cost for step in steps),
            currency=self.prices.currency,
        )
        return plan.model_copy(
            update={
                "approval_needed": approvals(plan, options),
                "warnings": warnings(plan, options, items, sample, is_guess=assumed.is_guess),
            }
        )

    def _times(self, options: BatchOptions, costing: Costing) -> tuple[datetime, datetime]:
        now = self.now()
        starts_at = options.window.next_opening(now) if options.window else now
        seconds = working_seconds(costing.load(options.pack_seconds), self.capacity, options.max_concurrency)
        return starts_at, finish(starts_at, seconds, options.window, seconds * costing.urgent_share)

    def _counted(self, batch_id: str) -> tuple[ItemCounts, int, int]:
        with self.database.session() as session:
            plans = ItemPlanRepository(session, batch_id)
            return (
                BatchItemRepository(session).counts(batch_id),
                plans.ended_with(SkipReason.UNCHANGED),
                plans.ended_with(SkipReason.DUPLICATE),
            )

    def _planned(self, batch: Batch, plan: BatchPlan) -> Batch:
        reason = BatchReason.APPROVAL_NEEDED if plan.approval_needed else None
        if batch.options.dry_run:
            reason = BatchReason.DRY_RUN
        with self.database.session() as session:
            batches = BatchRepository(session)
            batches.record(batch.id, plan=plan.model_dump(mode="json"))
            batches.move(
                batch.id,
                BatchState.PLANNED,
                allowed_from=[BatchState.PLANNING],
                reason=reason,
                message=" ".join(plan.approval_needed),
            )
        return self._batch(batch.id)

    def _batch(self, batch_id: str) -> Batch:
        with self.database.session() as session:
            return BatchRepository(session).get(batch_id)
