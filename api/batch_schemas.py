"""The shapes of batches: what the REST API takes and answers about them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.schemas import Answer, Call
from api.webhook_schemas import BatchWebhooks
from data.domain.batches import BatchOptions, BatchPlan, BatchReason, BatchState, ItemState
from data.domain.jobs import MAX_TITLE_CHARACTERS
from data.domain.retries import RetryFilter
from data.domain.sources import MAX_SOURCE_CHARACTERS

BatchMove = Literal["start", "pause", "resume", "cancel"]


class BatchRequest(Call):
    """What to do in bulk, and how."""

    manifest: str = Field(
        min_length=1,
        max_length=MAX_SOURCE_CHARACTERS,
        description="CSV, JSONL or Parquet: an absolute path below an allowed root, `upload:<id>`, an `https://` "
        "address, or `s3://bucket/key`. A folder below an allowed root stands for all the videos in it.",
        examples=["upload:0f8c2d", "s3://camera/tonight.csv"],
    )
    name: str = Field(default="", max_length=MAX_TITLE_CHARACTERS, description="For people; the manifest's by default.")
    options: BatchOptions = BatchOptions()
    webhooks: BatchWebhooks = ()


class BatchRetry(Call):
    """Which rows of an ended batch to try again; every part that is given has to hold."""

    rows: RetryFilter = Field(default=RetryFilter(), description="Without any part: all that failed or were cancelled.")
    name: str = Field(default="", max_length=MAX_TITLE_CHARACTERS)


class BatchCounts(Answer):
    """How many rows are where. Once the batch has ended, rows = succeeded + failed + skipped + rejected + cancelled."""

    rows: int
    pending: int
    feeding: int
    queued: int
    running: int
    succeeded: int
    failed: int
    skipped: int
    rejected: int
    cancelled: int
    ended: int
    in_flight: int
    balances: bool = Field(description="Whether every row of the manifest has ended, and is accounted for.")


class BatchProgress(Answer):
    """How far a batch is, by its estimated work."""

    share: float = Field(ge=0, le=1)
    items_per_minute: float | None = Field(default=None, description="So far, without the time that it stood still.")
    finishes_at: datetime | None = Field(
        default=None, description="At the pace so far; before there is one, by the plan. `null` while nothing is known."
    )


class BatchLinks(Answer):
    """Where to go from a batch; files are there once they have been made."""

    self: str
    items: str
    results: str | None = None
    rejects: str | None = None
    retry_manifest: str | None = None
    report: str | None = None
    retry_of: str | None = None
    prefect: str | None = Field(default=None, description="The run that feeds it, in the Prefect UI.")


class BatchSummary(Answer):
    """A batch in a list."""

    id: str
    name: str
    manifest: str = Field(description="What was handed in.")
    owner: str = Field(description="Id of the user whose it is.")
    state: BatchState
    reason: BatchReason | None = Field(default=None, description="Why, where the state alone does not say it.")
    message: str = ""
    asked: Literal["pause", "cancel"] | None = Field(
        default=None, description="What a person asked for; its feed obeys within seconds."
    )
    counts: BatchCounts
    spent: float = Field(description="What it has cost so far, in `currency`.")
    currency: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    moves: tuple[str, ...] = Field(description="What can be asked of it now.")
    links: BatchLinks


class BatchAnswer(BatchSummary):
    """A batch: rows of a manifest on their way through the pipeline."""

    progress: BatchProgress
    plan: BatchPlan | None = None
    options: BatchOptions
    retry_of: str | None = Field(default=None, description="The batch whose rows it tries again.")
    retry_filter: RetryFilter | None = None
    webhooks: tuple[str, ...] = Field(default=(), description="Ids of the webhook endpoints that came with it.")


class ItemLinks(Answer):
    """Where to go from an item."""

    job: str | None = Field(default=None, description="Its own job; items that share a run have none.")
    asset: str | None = None
    watch: str | None = None
    prefect: str | None = Field(default=None, description="The run that works, or worked, on it.")


class BatchItemAnswer(Answer):
    """One row of a manifest."""

    row: int = Field(description="Number of the data row in the manifest, from 1.")
    custom_id: str
    source: str
    title: str
    recipe: str
    overrides: dict[str, Any]
    metadata: dict[str, Any]
    priority: str
    not_before: datetime | None = None
    state: ItemState
    reason: str | None = None
    step: str | None = Field(default=None, description="The step that it is in, or failed in.")
    attempt: int
    estimated_seconds: float
    failure_class: str | None = None
    code: str | None = None
    message: str = ""
    asset_id: str | None = None
    version: int | None = None
    cost: float
    started_at: datetime | None = None
    ended_at: datetime | None = None
    links: ItemLinks
