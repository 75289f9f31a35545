"""The feed of one batch: it keeps a bounded window of runs filled, and settles what comes of them.

It may die at any line and go on from there, because of the order of things: items are bound to a run's key in the
catalogue first, then the run is made under that key, then it is noted that it exists. A group of items whose run is
not known to exist is simply ordered again: the same key is the same run.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from logging import Logger, LoggerAdapter
from typing import Any

from data.domain.batches import (
    ENDED_BATCHES,
    PRIORITIES,
    Batch,
    BatchItem,
    BatchReason,
)
from data.domain.errors import InfrastructureError
from data.domain.identity import owner_tag
from data.domain.jobs import JOB_TAG, batch_tag
from data.repositories import ItemRun
from tasks.bulk.feeding import Course, Decision, Situation, decide, runs_to_make, slots_of_share
from tasks.bulk.fleet import Fleet, Order
from tasks.bulk.ledger import Ledger, Standing
from tasks.bulk.packing import MOST_ITEMS, PackingRules, divide
from tasks.bulk.sharing import Demand, share_of
from tasks.bulk.verdicts import RunFate, RunReport

PACKS = "process-items/on-demand"
JOBS = "process-asset/on-demand"
POOL = "cpu"
_SLOTS_SECONDS = 30.0
"""How long the pool's limit, and what other batches still have to do, are taken to be what they were."""
_STOP_SECONDS = 90.0
"""A cancelled run ends within a minute; one that does not (no worker is left) is not waited for."""
_ITEMS_AT_ONCE = 2000
_REFUSALS = 5
"""So often a run is ordered that Prefect says it cannot make: its database may have been busy."""


@dataclass(frozen=True, slots=True)
class FeedRules:
    """What a feed is told once."""

    run_id: str
    """Of the flow run that feeds."""
    rehearsals: frozenset[str]
    """Recipes that only rehearse."""
    unlimited_slots: int
    """How many runs work at once when the work pool has no limit."""
    hour_cost: float = 0.0
    """Of one hour of a run, in the plan's currency."""


class Progress(Enum):
    """How far a feed has come."""

    GOES_ON = auto()
    ENDED = auto()
    TAKEN_OVER = auto()
    """Another run feeds the batch now."""


class Feed:
    """Feeds one batch, a little with each :meth:`tick`. Lives as long as the run that feeds."""

    def __init__(
        self,
        ledger: Ledger,
        fleet: Fleet,
        rules: FeedRules,
        logger: "Logger | LoggerAdapter[Any]",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._rules = rules
        self._logger = logger
        self._clock = clock
        self._slots: tuple[float, int] | None = None
        self._demands: tuple[float, tuple[Demand, ...]] | None = None
        self._at_work: set[str] = set()
        """Keys of runs that were seen at work."""
        self._in_flight: frozenset[str] = frozenset()
        """Ids of the runs that the last tick saw and did not settle."""
        self._refused: Counter[str] = Counter()
        self._stopping_since: float | None = None
        self.standing: Standing | None = None
        """How the batch stood at the last tick."""
        self.course = Course.FEED
        """What was done then."""

    def tick(self) -> Progress:
        """Look once, and do what there is to do.

        Raises:
            OrchestratorUnavailableError: Prefect did not answer; the next tick goes on from there.
            CatalogueUnavailableError: The catalogue did not; likewise.
            InfrastructureError: Items are lost, so that the batch cannot end.
        """
        runs = self._settled(self._ordered(self._ledger.runs()))
        self._in_flight = frozenset(run.run_id for run in runs if run.run_id)
        self.standing = standing = self._ledger.standing()
        batch = standing.batch
        if batch.feed_run_id != self._rules.run_id:
            return Progress.TAKEN_OVER
        if batch.state in ENDED_BATCHES:
            return Progress.ENDED
        seen = Situation(
            batch,
            standing.counts,
            self._clock(),
            standing.infra_failures,
            standing.latest,
            _expected_cost(batch, sum(run.estimated_seconds for run in runs)),
        )
        decision = decide(seen)
        self._carry_out(decision, standing, runs)
        self.course = decision.course
        return Progress.ENDED if decision.course is Course.END else Progress.GOES_ON

    def is_quiet(self) -> bool:
        """Say, for much less than a tick costs, whether no run has ended since.

        Raises:
            OrchestratorUnavailableError: Prefect did not answer.
        """
        return bool(self._in_flight) and self._fleet.count_alive(self._in_flight) == len(self._in_flight)

    def _ordered(self, runs: Sequence[ItemRun]) -> tuple[ItemRun, ...]:
        """Order the runs again that are not known to exist: their feed died before it could note it."""
        unknown = [run.run_key for run in runs if run.run_id is None]
        if not unknown:
            return tuple(runs)
        standing = self._ledger.standing()
        items = {key: left for key, left in self._ledger.items_of(unknown).items() if left}
        self._order(standing.batch, items)
        return self._ledger.runs()

    def _order(self, batch: Batch, items: Mapping[str, Sequence[BatchItem]]) -> None:
        """Have runs made for items that are bound to their keys, and note that they exist."""
        packing = self._packing(batch, 1)
        orders = [
            _job(batch, key, group[0]) if packing.has_own_run(group[0]) else _pack(batch, key, group)
            for key, group in items.items()
        ]
        made, refused = self._fleet.create(orders)
        self._ledger.submitted(made)
        for key in made:
            self._refused.pop(key, None)
        for key, why in refused.items():
            self._refused[key] += 1
            if self._refused[key] >= _REFUSALS:
                self._logger.error("Prefect refused a run of %d items: %s", len(items[key]), why)
                self._settle(ItemRun(key, None, len(items[key]), 0.0), RunReport("CRASHED", why), batch)

    def _settled(self, runs: Sequence[ItemRun]) -> tuple[ItemRun, ...]:
        """Settle the runs that are over; return the others."""
        known = {run.run_id: run for run in runs if run.run_id is not None}
        if not known:
            return tuple(runs)
        reports = self._fleet.reports([run_id for run_id in known if run_id])
        over = [run for run_id, run in known.items() if reports[str(run_id)].is_over]
        begun = [run for run_id, run in known.items() if reports[str(run_id)].fate is RunFate.RUNNING]
        if over:
            batch = self._ledger.standing().batch
            for run in over:
                self._settle(run, reports[str(run.run_id)], batch)
        self._at_work &= {run.run_key for run in known.values()}  # a pack that is done is never heard of again
        self._note_begun({run.run_key for run in begun} - self._at_work)
        return self._ledger.runs() if over else tuple(runs)

    def _note_begun(self, run_keys: Collection[str]) -> None:
        """Tell the catalogue that runs of single items are at work; packs do that themselves."""
        if not run_keys:
            return
        self._at_work |= set(run_keys)
        packing = self._packing(self._ledger.standing().batch, 1)
        for key, items in self._ledger.items_of(run_keys).items():
            if items and packing.has_own_run(items[0]):
                self._ledger.began(key, items[0].row)

    def _settle(self, run: ItemRun, report: RunReport, batch: Batch) -> None:
        items = self._ledger.items_of([run.run_key])[run.run_key]
        if not items:
            return
        is_own_run = self._packing(batch, 1).has_own_run(items[0])
        settlement = self._ledger.settle(
            run,
            report,
            is_own_run=is_own_run,
            cost=report.seconds / 3600 * self._rules.hour_cost,
            attempts=batch.options.item_attempts,
        )
        if settlement.again:
            why = f"ended as {report.fate.name.lower()}" + (f": {report.message}" if report.message else "")
            self._logger.warning("Run %s %s; %d items are fed again.", run.run_id, why, settlement.again)

    def _carry_out(self, decision: Decision, standing: Standing, runs: Sequence[ItemRun]) -> None:
        batch = standing.batch
        if decision.course is Course.END:
            self._end(decision, standing)
            return
        if (decision.state, decision.reason, decision.message) != (batch.state, batch.reason, batch.message):
            if not self._ledger.move(decision.state, decision.reason, decision.message):
                return
            because = f" ({decision.reason.value})" if decision.reason else ""
            self._logger.info("The batch is %s%s. %s", decision.state.value, because, decision.message)
        if decision.course is Course.DRAIN and standing.counts.pending:
            assert decision.reason is not None
            self._log_cancelled(self._ledger.cancel_pending(decision.reason))
        if decision.course is Course.CANCEL:
            self._stop(runs)
        if decision.course is Course.FEED:
            if decision.sheds:
                spare = PRIORITIES[:1]
                self._log_cancelled(self._ledger.cancel_pending(BatchReason.WINDOW_CLOSED, spare=spare))
            self._feed(decision, standing, runs)

    def _end(self, decision: Decision, standing: Standing) -> None:
        counts = standing.counts
        if not counts.balances:
            raise InfrastructureError(
                f"The batch does not add up: {counts.rows} rows, {counts.ended} ended.",
                {"rows": counts.rows, "ended": counts.ended},
            )
        self._ledger.move(decision.state, decision.reason, decision.message)
        self._logger.info(
            "The batch is %s. %d rows: %d succeeded, %d failed, %d skipped, %d rejected, %d cancelled. %s",
            *(decision.state.value, counts.rows, counts.succeeded, counts.failed, counts.skipped),
            *(counts.rejected, counts.cancelled, decision.message),
        )

    def _stop(self, runs: Sequence[ItemRun]) -> None:
        """Cancel what is pending and in flight."""
        self._log_cancelled(self._ledger.cancel_pending(BatchReason.REQUEST))
        now = time.monotonic()
        if self._stopping_since is None:
            self._stopping_since = now
            self._logger.info("Cancelling %d runs in flight.", len(runs))
        if now - self._stopping_since > _STOP_SECONDS:
            batch = self._ledger.standing().batch
            for run in runs:
                self._settle(run, RunReport("CANCELLED"), batch)
        else:
            self._fleet.cancel([run.run_id for run in runs if run.run_id])

    def _feed(self, decision: Decision, standing: Standing, runs: Sequence[ItemRun]) -> None:
        """Fill the window of runs."""
        batch, counts = standing.batch, standing.counts
        limit = _ITEMS_AT_ONCE
        if decision.most_items is not None:
            limit = min(limit, decision.most_items - counts.in_flight)
        if limit <= 0 or not counts.pending:
            return
        slots = self._pool_slots()
        share = self._share(standing, slots)
        free = runs_to_make(batch, len(runs), slots, share)
        if not free:
            return
        items = self._ledger.pending(self._clock(), min(limit, free * MOST_ITEMS))
        pending = len(items) if decision.most_items is not None else counts.pending
        packing = self._packing(batch, slots_of_share(slots, share))
        busy = sum(run.estimated_seconds for run in runs)
        parcels = divide(items, packing, most_runs=free, pending=pending, busy_seconds=busy)
        if not parcels:
            return
        self._ledger.claim(parcels)
        self._order(batch, self._ledger.items_of([parcel.run_key for parcel in parcels]))

    def _packing(self, batch: Batch, slots: int) -> PackingRules:
        return PackingRules(batch.options.pack_seconds, slots, self._rules.rehearsals)

    def _pool_slots(self) -> int:
        now = time.monotonic()
        if self._slots is None or now - self._slots[0] > _SLOTS_SECONDS:
            limit = self._fleet.slots(POOL)
            self._slots = (now, max(1, self._rules.unlimited_slots if limit is None else limit))
        return self._slots[1]

    def _share(self, standing: Standing, slots: int) -> float:
        """Return the batch's share of the slots; what others have to do is taken to be what it was a while ago."""
        if standing.batches == 1:
            return 1.0
        now, known = time.monotonic(), self._demands
        if known is None or now - known[0] > _SLOTS_SECONDS or len(known[1]) != standing.batches:
            self._demands = known = (now, self._ledger.demands())
        return share_of(standing.batch.id, known[1], slots, self._clock())

    def _log_cancelled(self, count: int) -> None:
        if count:
            self._logger.info("%d items that were pending are cancelled.", count)


def _expected_cost(batch: Batch, seconds: float) -> float:
    """Return what so much estimated work is expected to cost, by the plan."""
    planned = sum(step.machine_seconds for step in batch.plan.steps) if batch.plan else 0.0
    return batch.plan.cost * seconds / planned if batch.plan and planned else 0.0


def _job(batch: Batch, key: str, item: BatchItem) -> Order:
    """Order a run of its own for one item: a job like any other."""
    return Order(
        deployment=JOBS,
        run_key=key,
        name=item.title or item.custom_id,
        queue=item.priority,
        parameters={
            "source": item.source,
            "prompt": item.prompt,
            "script": item.script,
            "recipe": item.recipe,
            "overrides": dict(item.overrides),
            "title": item.title,
            "metadata": dict(item.metadata),
        },
        tags=(JOB_TAG, batch_tag(batch.id), owner_tag(batch.owner)),
        labels={"dailies.batch": batch.id, "dailies.row": item.row},
    )


def _pack(batch: Batch, key: str, items: Sequence[BatchItem]) -> Order:
    """Order a run for several items."""
    first = items[0]
    more = f" and {len(items) - 1} more" if len(items) > 1 else ""
    return Order(
        deployment=PACKS,
        run_key=key,
        name=f"{first.custom_id}{more}",
        queue=first.priority,
        parameters={"batch_id": batch.id, "run_key": key},
        tags=(batch_tag(batch.id), owner_tag(batch.owner)),
        labels={"dailies.batch": batch.id, "dailies.row": first.row},
    )
