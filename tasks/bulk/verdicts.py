"""What the end of a run means for its items, and what failures mean for their batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from data.domain.batches import BatchItem, BatchOptions, BatchReason, ItemCounts, ItemState
from data.domain.errors import DailiesError, FailureClass, ProcessLostError, error_of_code
from data.domain.jobs import REVIEW_REASON, error_code
from data.domain.publications import PublicationManifest

UNBEGUN_ATTEMPTS = 10
"""How often an item is fed that no run ever came to: it did not kill the runs that it was in."""


class RunFate(Enum):
    """What has become of a run that a feed made."""

    WAITING = auto()
    RUNNING = auto()
    COMPLETED = auto()
    FAILED = auto()
    LOST = auto()
    """Crashed, or Prefect does not know it any more."""
    CANCELLED = auto()


_FATES = {
    "SCHEDULED": RunFate.WAITING,
    "PENDING": RunFate.WAITING,
    "RUNNING": RunFate.RUNNING,
    "PAUSED": RunFate.RUNNING,
    "CANCELLING": RunFate.RUNNING,
    "COMPLETED": RunFate.COMPLETED,
    "FAILED": RunFate.FAILED,
    "CRASHED": RunFate.LOST,
    "CANCELLED": RunFate.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class RunReport:
    """What Prefect says of a run."""

    state_type: str | None = None
    """``None``: it knows no such run."""
    message: str = ""
    seconds: float = 0.0
    """How long it has run."""

    @property
    def fate(self) -> RunFate:
        """What has become of the run."""
        return _FATES[self.state_type] if self.state_type else RunFate.LOST

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of the run."""
        return self.fate not in (RunFate.WAITING, RunFate.RUNNING)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an item ends."""

    state: ItemState
    outcome: dict[str, Any]
    """The other fields to set."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a batch is to be stopped."""

    reason: BatchReason
    message: str


def leftover(item: BatchItem, report: RunReport, attempts: int) -> Verdict | None:
    """Judge an item that had not ended when its run had; ``None``: it is to be fed again.

    Args:
        item: The item, as the run left it.
        report: What became of the run.
        attempts: How often an item may be fed.
    """
    if report.fate is RunFate.CANCELLED:
        return Verdict(ItemState.CANCELLED, {"reason": BatchReason.REQUEST.value})
    has_begun = item.state is ItemState.RUNNING
    if item.attempt < (attempts if has_begun else max(attempts, UNBEGUN_ATTEMPTS)):
        return None
    error = _lost(report)
    return failure(error)


def own_run(
    item: BatchItem, report: RunReport, asset_id: str | None, published: PublicationManifest | None, attempts: int
) -> Verdict | None:
    """Judge an item whose own run is over; ``None``: it is to be fed again.

    Args:
        item: The item.
        report: What became of the run.
        asset_id: The asset that the run worked on, if it came so far.
        published: What is public about that asset, or waits for a person.
        attempts: How often an item may be fed.
    """
    if report.fate is RunFate.COMPLETED and published is not None:
        if published.awaits_review:
            return Verdict(ItemState.SUCCEEDED, {"asset_id": asset_id, "reason": REVIEW_REASON})
        return Verdict(ItemState.SUCCEEDED, {"asset_id": asset_id, "version": published.version})
    if report.fate is not RunFate.FAILED:
        return leftover(item, report, attempts)
    code = error_code(report.message)
    error = error_of_code(code, report.message[report.message.find(f"[{code}]") :] if code else report.message)
    if is_machines_fault(error) and item.attempt < attempts:
        return None
    verdict = failure(error)
    return Verdict(verdict.state, {**verdict.outcome, "asset_id": asset_id})


def is_machines_fault(error: DailiesError) -> bool:
    """Say whether an item may come through on another attempt because it was not what failed."""
    return error.failure_class is FailureClass.INFRA and error.retryable


def failure(error: DailiesError) -> Verdict:
    """Return the end of an item that failed, or was cancelled, in the step that it is in."""
    is_cancelled = error.failure_class is FailureClass.CANCELLED
    outcome: dict[str, Any] = {
        "failure_class": error.failure_class.value,
        "code": error.code,
        "message": error.message,
    }
    return Verdict(ItemState.CANCELLED if is_cancelled else ItemState.FAILED, outcome)


def _lost(report: RunReport) -> DailiesError:
    if report.fate is RunFate.COMPLETED:
        return ProcessLostError("Its run ended without having come to an end with it.")
    if report.fate is RunFate.FAILED:
        code = error_code(report.message)
        return error_of_code(code, f"Its run failed: {report.message}")
    return ProcessLostError(f"Its run was lost: {report.message or 'Prefect does not know it any more.'}")


def over_budget(options: BatchOptions, counts: ItemCounts, infra_failures: int) -> Stop | None:
    """Say whether too many items have failed, for the canary or for the whole batch.

    Args:
        options: The batch's.
        counts: Its items by state.
        infra_failures: How many of the failed ones are the machines' fault; they do not count.
    """
    budget = options.failure_budget
    failed = counts.failed - infra_failures
    tried = counts.succeeded + failed
    if options.canary_items and not is_canary_over(options, counts):
        return None
    is_canary = options.canary_items > 0 and tried <= options.canary_items
    if tried == 0 or tried < (1 if is_canary else budget.min_items) or failed / tried <= budget.share:
        return None
    said = f"{failed} of {tried} items failed, more than {budget.share:.0%}"
    if is_canary:
        return Stop(BatchReason.CANARY_FAILED, f"{said}: the batch stopped after its canary items.")
    return Stop(BatchReason.FAILURE_BUDGET, f"{said}.")


def is_canary_over(options: BatchOptions, counts: ItemCounts) -> bool:
    """Say whether the items that go first have all ended."""
    tried = counts.succeeded + counts.failed
    return tried >= options.canary_items or (counts.pending == 0 and counts.in_flight == 0)


def same_failure(options: BatchOptions, latest: Sequence[tuple[ItemState, str | None]]) -> Stop | None:
    """Say whether one failure repeats.

    Args:
        options: The batch's.
        latest: State and code of the items that ended last, the latest first.
    """
    wanted = options.failure_budget.same_code
    row = latest[:wanted]
    if not wanted or len(row) < wanted or any(state is not ItemState.FAILED for state, _ in row):
        return None
    codes = {code for _, code in row}
    if len(codes) > 1:
        return None
    return Stop(BatchReason.REPEATED_FAILURE, f"{wanted} items in a row failed with {row[0][1]}.")


def too_dear(options: BatchOptions, spent: float, in_flight: float) -> Stop | None:
    """Say whether what was spent, with what is in flight, reaches the cap.

    Args:
        options: The batch's.
        spent: So far, in the plan's currency.
        in_flight: What the items in flight are expected to cost.
    """
    cap = options.max_cost
    if cap is None or spent + in_flight < cap:
        return None
    return Stop(BatchReason.COST_BUDGET, f"{spent:.2f} spent and {in_flight:.2f} in flight reach the cap of {cap:.2f}.")
