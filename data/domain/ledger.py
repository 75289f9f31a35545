"""What the ledger says: each request to a provider, for whom it was made, and how providers are."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from data.domain.generations import Capability, GenerationRequest, GenerationState
from data.domain.model import DomainModel

IN_FLIGHT_STATES = frozenset(
    {GenerationState.PREPARED, GenerationState.SENDING, GenerationState.ACCEPTED, GenerationState.MADE}
)
"""What the next process that wants the same takes up where the last one left it."""

HeldMove = Literal["release", "adopt", "drop"]

PASSED_OVER = "passed_over"
"""Under which name an entry's details say who was not asked."""


class Subject(DomainModel):
    """For whom a generation is made, and whose caps it counts against."""

    job_id: str
    """The job, or the item's own id in a pack (:func:`data.domain.keys.item_job_id`)."""
    batch_id: str | None = None
    batch_row: int | None = None


class PassedOver(DomainModel):
    """A provider that was not asked, since it cannot do what is wanted."""

    provider: str
    code: str
    message: str


class Generation(DomainModel):
    """One entry of the ledger: one request to one provider."""

    id: str
    key: str
    """Digest of the request and of who is asked: equal ones have equal results."""
    request_digest: str
    """Of what the job asked for; one job's entries at several providers have the same."""
    idempotency_key: str
    """Ours; handed to the provider with every attempt to send."""
    subject: Subject
    also_wanted_by: tuple[Subject, ...] = ()
    """Who asked for the same before it was made, and took it up: while one of them lives, it is not over."""
    provider: str
    engine: str
    model: str = ""
    capability: Capability
    state: GenerationState
    provider_id: str | None = None
    """What the provider calls it, once it has accepted it."""
    price: float = 0.0
    """Reckoned before it was sent, in the settings' currency."""
    charged: float | None = None
    """What it costs, from acceptance on; ``None`` before."""
    request: GenerationRequest
    """As the provider is asked."""
    result_key: str | None = None
    """Of the result in the object store."""
    result_sha256: str | None = None
    result_bytes: int | None = None
    details: Mapping[str, Any] = Field(default_factory=dict)
    """What made it, as the provider says; beside it ``passed_over``, who could not."""
    failure_class: str | None = None
    code: str | None = None
    message: str = ""
    attempts: int = 0
    """How often it was sent, or begun on this machine."""
    created_at: datetime
    sent_at: datetime | None = None
    accepted_at: datetime | None = None
    made_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Everybody who wants it."""
        return (self.subject, *self.also_wanted_by)

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        """Who was not asked, since they cannot do what is wanted."""
        return passed_over_in(self.details)

    @property
    def moves(self) -> tuple[HeldMove, ...]:
        """What a person can decide about it now."""
        return ("release", "adopt", "drop") if self.state is GenerationState.HELD else ()


def passed_over_in(details: Mapping[str, Any]) -> tuple[PassedOver, ...]:
    """Return who was passed over, of the details of an entry or of its result."""
    return tuple(PassedOver.model_validate(each) for each in details.get(PASSED_OVER, ()))


class StoredGeneration(DomainModel):
    """A result that lies in the object store."""

    generation_id: str
    provider: str
    engine: str
    model: str
    capability: Capability
    key: str
    """Of the file in the object store."""
    sha256: str
    size_bytes: int
    details: Mapping[str, Any] = Field(default_factory=dict)
    charged: float = 0.0
    """What it cost when it was made, whoever had it made."""
    is_reused: bool = False
    """It was there already: nothing was made, nothing was paid."""


class GenerationTotals(DomainModel):
    """Sums over entries of the ledger."""

    count: int = 0
    by_state: Mapping[str, int] = Field(default_factory=dict)
    charged: float = 0.0
    """What was accepted."""
    reserved: float = 0.0
    """What has not been accepted, and may still be: entries that are prepared, being sent or held."""


class BreakerState(StrEnum):
    """Whether requests go to a provider; the words of pybreaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Health(StrEnum):
    """How a provider is, in one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class ProviderHealth(DomainModel):
    """What is known of a provider from the calls that were made to it, by all processes together."""

    provider: str
    breaker: BreakerState = BreakerState.CLOSED
    failures: int = 0
    """In a row, up to now."""
    opened_at: datetime | None = None
    calls: int = 0
    failed_calls: int = 0
    checked_at: datetime | None = None
    """When it was last called."""
    response_seconds: float | None = None
    """Moving average over its answers."""
    making_seconds: float | None = None
    """Moving average from a request to its finished result."""
    code: str | None = None
    """Of the last failure."""
    message: str = ""
    failed_at: datetime | None = None
    tested_at: datetime | None = None
    """When somebody last had it tested; what came of it is next."""
    test_seconds: float | None = None
    test_code: str | None = None
    """``None``: it would take work."""
    test_message: str = ""

    @property
    def health(self) -> Health:
        """The breaker and the latest failures in one word."""
        if self.breaker is BreakerState.OPEN:
            return Health.UNHEALTHY
        return Health.HEALTHY if self.breaker is BreakerState.CLOSED and not self.failures else Health.DEGRADED
