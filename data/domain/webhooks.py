"""Webhooks: who is told of what, and how often it is tried (Standard Webhooks 1.0).

An *event* is one transition, told once and for ever under one id, which is made from what changed and not from who
noticed it: whoever reads the same states again comes to the same events. A *delivery* is an event on its way to one
endpoint. Of one subject (a job, a batch) an endpoint is told in order: the next waits until the one before it has been
delivered, or given up.

    pending → delivered
            ↘ failed (all tries are used up) · abandoned (its endpoint was switched off)      both can be replayed
"""

import base64
import secrets
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import SecretStr

from data.domain.model import DomainModel

SECRET_PREFIX = "whsec_"  # noqa: S105 - begins every secret
_SECRET_BYTES = 32
_EVENTS = uuid.UUID("0d7a1a3c-5f0b-4c8e-8b43-9f6f2f7c2b11")
"""The name space of the ids of events."""
MAX_ENDPOINTS_OF_A_JOB = 10
"""Or of a batch."""
MAX_ENDPOINTS_OF_AN_OWNER = 100
"""Of those that are told of everything."""
MAX_URL_CHARACTERS = 2048


class EventType(StrEnum):
    """What can be told."""

    JOB_QUEUED = "job.queued"
    JOB_STARTED = "job.started"
    JOB_PAUSED = "job.paused"
    JOB_RESUMED = "job.resumed"
    JOB_RETRYING = "job.retrying"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_IN_REVIEW = "job.in_review"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    BATCH_STARTED = "batch.started"
    BATCH_PAUSED = "batch.paused"
    BATCH_RESUMED = "batch.resumed"
    BATCH_FINISHED = "batch.finished"
    BATCH_FAILED = "batch.failed"
    BATCH_CANCELLED = "batch.cancelled"
    ITEM_SUCCEEDED = "item.succeeded"
    ITEM_FAILED = "item.failed"
    ITEM_SKIPPED = "item.skipped"
    ITEM_REJECTED = "item.rejected"
    ITEM_CANCELLED = "item.cancelled"
    ENDPOINT_DISABLED = "endpoint.disabled"
    WEBHOOK_TEST = "webhook.test"


GROUPS = ("job.*", "batch.*", "item.*", "endpoint.*")
DEFAULT_EVENTS = ("job.*", "batch.*", "endpoint.*")
"""What an endpoint is told that asks for nothing in particular: not every row of every batch."""
JOB_EVENTS = ("job.*",)
BATCH_EVENTS = ("batch.*",)
"""What they are told who came with a batch and ask for nothing in particular: not every row."""
CHOICES = frozenset({*GROUPS, *(each.value for each in EventType)})


def is_wanted(event: EventType, chosen: Collection[str]) -> bool:
    """Say whether an event is among the types (``job.failed``) and groups (``job.*``) that were chosen."""
    return event is EventType.WEBHOOK_TEST or event.value in chosen or f"{event.value.partition('.')[0]}.*" in chosen


def event_id(*parts: object) -> str:
    """Return the id of an event: the same for the same thing that happened, whoever notices it, and when."""
    return f"evt_{uuid.uuid5(_EVENTS, '/'.join(map(str, parts))).hex}"


def new_secret() -> str:
    """Return a new secret to sign with, as Standard Webhooks writes them."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Say whether a text is a secret as Standard Webhooks writes them: 24 to 64 bytes in base64."""
    try:
        size = len(base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True))
    except ValueError:
        return False
    return text.startswith(SECRET_PREFIX) and 24 <= size <= 64


class DisabledReason(StrEnum):
    """Why nothing is sent to an endpoint."""

    REQUEST = "request"
    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """It has taken nothing for days."""


class Endpoint(DomainModel):
    """An address that is told of events."""

    id: str
    owner: str
    url: str
    description: str = ""
    events: tuple[str, ...] = DEFAULT_EVENTS
    secret: SecretStr
    previous_secret: SecretStr | None = None
    previous_secret_until: datetime | None = None
    """So long both sign."""
    is_for_one_job: bool = False
    """It came with a job or batch and is told of that one only."""
    created_at: datetime
    listening_since: datetime
    """When it was made, or last switched on: what happened before is not told."""
    disabled_at: datetime | None = None
    disabled_reason: DisabledReason | None = None
    failing_since: datetime | None = None
    failures: int = 0
    """How many tries in a row came to nothing."""

    def secrets_at(self, now: datetime) -> tuple[str, ...]:
        """Return the secrets that sign now: the current one, and for a while the one before it."""
        current = (self.secret.get_secret_value(),)
        if self.previous_secret is None or self.previous_secret_until is None or self.previous_secret_until <= now:
            return current
        return (*current, self.previous_secret.get_secret_value())

    def hears(self, event: "Event") -> bool:
        """Say whether it is told of an event; those that came with a job are, only when that event names them."""
        if self.disabled_at is not None or not is_wanted(event.type, self.events):
            return False
        if self.is_for_one_job:
            return self.id in event.endpoints
        is_its_own = self.owner == event.owner or self.id in event.endpoints
        return is_its_own and event.occurred_at >= self.listening_since


class Event(DomainModel):
    """Something that happened, as it is told."""

    id: str
    type: EventType
    subject: str
    """What is told of in order: the id of a job or batch."""
    owner: str
    occurred_at: datetime
    data: dict[str, Any]
    endpoints: tuple[str, ...] = ()
    """Endpoints that are told because the job or batch itself names them."""
    traceparent: str | None = None
    """What it is a part of (W3C Trace Context): the request that made the job."""

    @property
    def body(self) -> dict[str, Any]:
        """What is sent, in the shape of Standard Webhooks."""
        return {"type": self.type.value, "timestamp": self.occurred_at.isoformat(), "data": self.data}


class DeliveryState(StrEnum):
    """How far a delivery is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    ABANDONED = "abandoned"


class Delivery(DomainModel):
    """An event on its way to an endpoint."""

    id: str
    event_id: str
    type: EventType
    endpoint_id: str
    url: str
    subject: str
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_at: datetime | None
    delivered_at: datetime | None
    last_status: int | None
    last_error: str
    response_seconds: float | None


class DeliveryAttempt(DomainModel):
    """One try."""

    at: datetime
    status: int | None
    error: str
    answer: str
    """The beginning of what the endpoint said."""
    response_seconds: float


class DueDelivery(DomainModel):
    """A delivery whose time has come, with all that it needs."""

    position: int
    attempts: int
    """Tries of this round, before this one."""
    subject: str
    event_id: str
    body: dict[str, Any]
    traceparent: str | None = None
    endpoint: Endpoint


def delay_before(attempt: int, schedule: Sequence[float], jitter: float) -> timedelta | None:
    """Return how long to wait before a try.

    Args:
        attempt: How many there were already.
        schedule: Seconds before each, the first included.
        jitter: 0–1: up to a tenth is added, so that those who failed together do not come back together.

    Returns:
        ``None`` when all tries are used up.
    """
    if attempt >= len(schedule):
        return None
    return timedelta(seconds=schedule[attempt] * (1 + 0.1 * jitter))
