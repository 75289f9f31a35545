"""Batches: a manifest's rows on their way through the pipeline, and the equation that accounts for every one of them.

    received → validating → planning → planned → running ⇄ paused → completed | stopped | cancelled
                        ↘ rejected (the manifest is at fault)

A row becomes an *item* when the manifest is validated. An item ends in exactly one of five states, so that always
*rows in = succeeded + failed + skipped + rejected + cancelled* once the batch has ended.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from data.domain.identity import LOCAL_USER
from data.domain.model import DomainModel
from data.domain.retries import RetryFilter
from data.domain.windows import NightWindow

Priority = Literal["high", "default", "low"]
PRIORITIES: tuple[Priority, ...] = ("high", "default", "low")


class BatchState(StrEnum):
    """The states of a batch."""

    RECEIVED = "received"
    VALIDATING = "validating"
    PLANNING = "planning"
    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


ENDED_BATCHES = frozenset({BatchState.COMPLETED, BatchState.STOPPED, BatchState.CANCELLED, BatchState.REJECTED})


class BatchReason(StrEnum):
    """Why a batch is in its state, where the state alone does not say it."""

    DRY_RUN = "dry_run"
    APPROVAL_NEEDED = "approval_needed"
    REQUEST = "request"
    NIGHT_WINDOW = "night_window"
    CANARY_FAILED = "canary_failed"
    FAILURE_BUDGET = "failure_budget"
    REPEATED_FAILURE = "repeated_failure"
    COST_BUDGET = "cost_budget"
    WINDOW_CLOSED = "window_closed"
    INVALID_ROWS = "invalid_rows"
    INVALID_MANIFEST = "invalid_manifest"


class BatchWish(StrEnum):
    """What a person asked of a batch; its feed obeys within seconds."""

    RUN = "run"
    PAUSE = "pause"
    CANCEL = "cancel"


BATCH_MOVES: dict[BatchState, frozenset[str]] = {
    BatchState.PLANNED: frozenset({"cancel", "start"}),
    BatchState.COMPLETED: frozenset({"retry"}),
    BatchState.STOPPED: frozenset({"retry"}),
    BatchState.CANCELLED: frozenset({"retry"}),
    BatchState.REJECTED: frozenset(),
}
"""Of batches that nothing is done for now; what can be asked of the others depends on what was asked before."""


class ItemState(StrEnum):
    """The states of an item."""

    PENDING = "pending"
    """Waits to be fed."""
    FEEDING = "feeding"
    """Its run is being created; found again by its run key should the feed die now."""
    QUEUED = "queued"
    """Its run exists and has not come to it yet."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


ENDED_ITEMS = frozenset(
    {ItemState.SUCCEEDED, ItemState.FAILED, ItemState.SKIPPED, ItemState.REJECTED, ItemState.CANCELLED}
)
IN_FLIGHT_ITEMS = frozenset({ItemState.FEEDING, ItemState.QUEUED, ItemState.RUNNING})


class SkipReason(StrEnum):
    """Why an item needs no work."""

    UNCHANGED = "unchanged"
    """The same content with the same recipe is published already."""
    DUPLICATE = "duplicate"
    """Another row of the manifest asks for the same."""


class FailureBudget(DomainModel):
    """How many failures a batch may have before it is stopped. Infrastructure failures do not count."""

    share: float = Field(default=0.5, gt=0, le=1)
    """Stop when more than this share of the ended items failed …"""
    min_items: int = Field(default=20, ge=1)
    """… once at least so many have ended."""
    same_code: int = Field(default=0, ge=0)
    """Stop when so many items in a row failed with the same code; 0: never."""


class BatchOptions(DomainModel):
    """What the person who hands a batch in can choose."""

    recipe: str = "default"
    """For rows that name none."""
    priority: Priority = "default"
    """For rows that name none."""
    on_invalid: Literal["reject_all", "accept_valid"] = "reject_all"
    max_concurrency: int = Field(default=10, ge=1, le=50)
    """Most runs of this batch at once in Prefect: waiting and running."""
    pack_seconds: float = Field(default=30, ge=0, le=3600)
    """Short items are packed into one run up to this much estimated work; 0: each gets a run of its own."""
    item_attempts: int = Field(default=3, ge=1, le=10)
    """How often an item is fed when machines, not the item, are at fault."""
    canary_items: int = Field(default=0, ge=0, le=1000)
    """So many items go first, alone; when more than the failure budget's share of them fails, the batch stops."""
    failure_budget: FailureBudget = FailureBudget()
    window: NightWindow | None = None
    finish_by: datetime | None = None
    """A deadline: the plan and the feed warn when the estimate passes it, and a batch that is short of time gets a
    larger share of the machines."""
    max_cost: float | None = Field(default=None, ge=0)
    """Start no more work when what has been spent, and what is in flight, reaches this."""
    approve_above_cost: float | None = Field(default=None, ge=0)
    """Wait for approval when the plan's cost is higher."""
    approve_above_hours: float | None = Field(default=None, ge=0)
    """Wait for approval when the plan's wall time is longer."""
    dry_run: bool = False
    """Validate and plan only; `start` goes on from there."""

    @model_validator(mode="after")
    def _deadline_has_a_zone(self) -> Self:
        if self.finish_by is not None and self.finish_by.tzinfo is None:
            raise ValueError("finish_by needs a time zone")
        return self


class ItemCounts(DomainModel):
    """How many items of a batch are in each state."""

    rows: int = 0
    """Rows of the manifest."""
    pending: int = 0
    feeding: int = 0
    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    rejected: int = 0
    cancelled: int = 0

    @classmethod
    def of(cls, rows: int, by_state: Mapping[str, int]) -> Self:
        """Return the counts for so many rows, from a count by state."""
        return cls(rows=rows, **{str(state): count for state, count in by_state.items()})

    @property
    def ended(self) -> int:
        """Items that will not change any more."""
        return self.succeeded + self.failed + self.skipped + self.rejected + self.cancelled

    @property
    def in_flight(self) -> int:
        """Items that a run was made for, or is being made."""
        return self.feeding + self.queued + self.running

    @property
    def balances(self) -> bool:
        """Rows in = succeeded + failed + skipped + rejected + cancelled: true once all is over, and nothing is lost."""
        return self.rows == self.ended and self.pending == 0 and self.in_flight == 0


class StepEstimate(DomainModel):
    """What one step of the pipeline is expected to take over the whole batch."""

    step: str
    items: int
    machine_seconds: float
    """Seconds of work, one encode slot (or GPU) each."""
    cost: float = 0.0
    learnt_from: int = 0
    """Number of past runs that the estimate rests on; 0: a default."""


class BatchPlan(DomainModel):
    """What a batch will do, before it does it."""

    rows: int
    new: int
    unchanged: int
    duplicate: int
    rejected: int
    media_seconds: float
    bytes_in: int
    bytes_out: int
    bytes_copied: int = 0
    """Of copies at the recipes' publish targets, all together."""
    steps: tuple[StepEstimate, ...]
    wall_seconds: float
    starts_at: datetime
    finishes_at: datetime
    cost: float
    currency: str = "USD"
    approval_needed: tuple[str, ...] = ()
    """Why a person has to say yes first; empty: nobody has to."""
    warnings: tuple[str, ...] = ()


class Batch(DomainModel):
    """A batch as the catalogue knows it."""

    id: str
    name: str
    manifest_uri: str
    """What was handed in: a path, an ``s3://`` address or ``upload:<id>``."""
    manifest_key: str | None = None
    """The store's own copy, from validation on."""
    manifest_sha256: str | None = None
    """Of that copy: the same manifest handed in again is known by it."""
    options: BatchOptions
    state: BatchState
    reason: BatchReason | None = None
    message: str = ""
    wish: BatchWish = BatchWish.RUN
    rows: int = 0
    plan: BatchPlan | None = None
    feed_run_id: str | None = None
    retry_of: str | None = None
    """The batch whose failed rows this one tries again."""
    retry_filter: RetryFilter | None = None
    """Which of them."""
    owner: str = LOCAL_USER
    """Id of the user whose it is."""
    webhooks: tuple[str, ...] = ()
    """Ids of the webhook endpoints that are told of it because it names them."""
    traceparent: str | None = None
    """Of the request that handed it in, or of the run that did (a schedule's)."""
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    spent: float = 0.0
    outputs: Mapping[str, str] = Field(default_factory=dict)
    """Keys in the object store by name: ``rejects``, ``results_parquet``, ``results_csv``, ``retry``, ``report``."""

    @property
    def awaits_a_word(self) -> bool:
        """Whether it is planned and a person has to say that it may start."""
        return self.state is BatchState.PLANNED and self.reason in (BatchReason.DRY_RUN, BatchReason.APPROVAL_NEEDED)

    @property
    def moves(self) -> frozenset[str]:
        """What can be asked of it now, given what was asked before and its feed may not have obeyed yet."""
        if self.state in ENDED_BATCHES or self.awaits_a_word:
            return BATCH_MOVES[self.state]
        if self.wish is BatchWish.CANCEL:
            return frozenset()
        return frozenset({"cancel", "resume" if self.wish is BatchWish.PAUSE else "pause"})


class BatchItem(DomainModel):
    """One row of a manifest as the catalogue knows it."""

    batch_id: str
    row: int
    """Number of the data row in the manifest, from 1."""
    custom_id: str
    """Unique in its batch; see :attr:`own_id`."""
    source: str = ""
    prompt: str = ""
    script: str = ""
    recipe: str
    overrides: Mapping[str, Any] = Field(default_factory=dict)
    wish_key: str = ""
    """Digest of what the row asks for (source, recipe, overrides, title): equal ones are duplicates."""
    priority: Priority = "default"
    not_before: datetime | None = None
    title: str = ""
    metadata: Mapping[str, Any] = Field(default_factory=dict)
    state: ItemState = ItemState.PENDING
    reason: str | None = None
    """A :class:`SkipReason`, why it was cancelled, or what it waits for."""
    estimated_seconds: float = 0.0
    attempt: int = 0
    run_key: str | None = None
    """``batch:row:attempt`` of the first item of its run: Prefect's idempotency key."""
    run_id: str | None = None
    step: str | None = None
    """The step that it is in, or failed in."""
    failure_class: str | None = None
    code: str | None = None
    message: str = ""
    asset_id: str | None = None
    version: int | None = None
    cost: float = 0.0
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def own_id(self) -> str:
        """The ``custom_id`` as the row gave it, which of a rejected row may be another's too; else ``row-<number>``."""
        return own_id(self.custom_id, self.batch_id, self.row)


def untrusted_id(batch_id: str, row: int, given: str = "") -> str:
    """Return the ``custom_id`` of an item whose own may be missing, or another's: the batch's id keeps it apart."""
    return f"{given or f'row-{row}'}~{row}~{batch_id}"


def own_id(custom_id: str, batch_id: str, row: int) -> str:
    """Return what a row gave itself, of an item's ``custom_id``; the opposite of :func:`untrusted_id`."""
    kept_apart = custom_id.endswith(f"~{batch_id}")
    return custom_id.removesuffix(f"~{batch_id}").removesuffix(f"~{row}") if kept_apart else custom_id


def has_own_run(item: BatchItem, pack_seconds: float, rehearsals: Collection[str]) -> bool:
    """Say whether an item gets a run of its own, a job like any other, rather than a place in a pack.

    What is made from words always does: it may cost money, and takes its time.

    Args:
        item: The item.
        pack_seconds: An item of so much work is on its own.
        rehearsals: Recipes that only rehearse: there is no run for a single one.
    """
    if item.recipe in rehearsals:
        return False
    return bool(item.prompt or item.script) or item.estimated_seconds >= pack_seconds


def run_key(batch_id: str, first_row: int, attempt: int) -> str:
    """Return the idempotency key of the run that an item leads: ``batch:item:attempt``."""
    return f"{batch_id}:{first_row}:{attempt}"
