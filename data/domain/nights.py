"""What a batch came to, as facts: everything that the morning report says, and nothing that it looks like.

Whoever writes a report (HTML, Markdown, a message) needs only :class:`NightFacts`. Most of it is added up from the
items by ``tasks.reporting.tally``; what items do not know (pauses, the canary, time by step) is optional, and a report
says nothing about what it was not told.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from data.domain.batches import Batch, ItemCounts
from data.domain.model import DomainModel


class ItemExample(DomainModel):
    """One item that stands for others in a list of failures."""

    row: int
    custom_id: str
    source: str
    """What the row asked for: its source, or the beginning of its prompt or script."""
    message: str
    run_id: str | None = None
    """The flow run that worked on it last, whose log says more."""


class FailureGroup(DomainModel):
    """Items that ended badly in the same way."""

    failure_class: str
    code: str
    count: int
    steps: Mapping[str, int]
    """How many of them by the step that they ended in; rejected rows have none."""
    examples: tuple[ItemExample, ...]
    """The first few by row."""


class Throughput(DomainModel):
    """What was done in a span of time."""

    at: datetime
    """Beginning of the span, UTC."""
    seconds: float
    published: int = 0
    failed: int = 0
    media_seconds: float = 0.0
    """Playing time of what was published in the span."""


class ItemTime(DomainModel):
    """How long one item took."""

    row: int
    custom_id: str
    source: str
    state: Literal["succeeded", "failed"]
    wall_seconds: float
    media_seconds: float | None
    asset_id: str | None
    attempts: int


class StepActual(DomainModel):
    """What one step really took over the whole batch."""

    step: str
    items: int
    machine_seconds: float
    cost: float = 0.0


class Pause(DomainModel):
    """A time in which the batch started no work."""

    begins_at: AwareDatetime
    ends_at: AwareDatetime | None
    """``None``: until the batch ended."""
    reason: str
    """A :class:`~data.domain.batches.BatchReason`."""


class CanaryOutcome(DomainModel):
    """What the items that went first, alone, came to."""

    items: int
    failed: int
    passed: bool


class ReportLinks(DomainModel):
    """Where the report points. Empty: it names the thing without a link.

    A report is opened from a disk or a mail as often as from the API: links are absolute, or relative to the report for
    the files that lie beside it.
    """

    watch_base: str = ""
    """Address before an asset's id, for example ``https://video.example/watch/``."""
    run_base: str = ""
    """Address before a flow run's id in the Prefect UI."""
    files: Mapping[str, str] = Field(default_factory=dict)
    """Addresses of the outputs by their name in :attr:`~data.domain.batches.Batch.outputs`."""


class NightFacts(DomainModel):
    """Everything that is known about an ended batch. Times are aware UTC."""

    batch: Batch
    counts: ItemCounts
    """``rows`` is what the manifest holds; the rest is counted from the items themselves."""
    in_review: int = 0
    """Succeeded items whose version waits for a person."""
    skipped: Mapping[str, int] = Field(default_factory=dict)
    """Skipped items by reason."""
    cancelled: Mapping[str, int] = Field(default_factory=dict)
    """Cancelled items by reason; an empty reason is not known."""
    failures: tuple[FailureGroup, ...] = ()
    """Most frequent first."""
    rejects: tuple[FailureGroup, ...] = ()
    """Rows that the check of the manifest refused, by code, most frequent first."""
    throughput: tuple[Throughput, ...] = ()
    """Equal spans without gaps, from the first item's end to the last's."""
    slowest: tuple[ItemTime, ...] = ()
    """Slowest first."""
    media_seconds: float = 0.0
    """Playing time of all that was published."""
    copied_bytes: int = 0
    """Of copies at publish targets, of all that was published."""
    retried: int = 0
    """Items that needed more than one attempt, whatever they came to."""
    steps: tuple[StepActual, ...] = ()
    pauses: tuple[Pause, ...] = ()
    canary: CanaryOutcome | None = None
    links: ReportLinks = ReportLinks()
    made_at: datetime
    """When these facts were put together."""
