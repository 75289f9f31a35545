"""The shapes of generations and of their providers: what the REST API takes and answers about them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas import Answer, Call, Page
from data.domain.generations import Capability, GenerationRequest, GenerationState
from data.domain.ledger import BreakerState, GenerationTotals, Health, HeldMove


class ProviderFailure(Answer):
    """The last failure of a provider."""

    at: datetime
    code: str
    message: str


class ProviderTestResult(Answer):
    """What a test of a provider came to."""

    provider: str
    is_ok: bool = Field(description="It would take work.")
    at: datetime | None = None
    seconds: float | None = None
    code: str | None = None
    message: str = ""


class ProviderStatus(Answer):
    """A provider of the settings, and how it is, by the calls of all processes together."""

    name: str
    engine: str
    model: str
    health: Health = Field(
        description="`healthy`; `degraded`: its last call failed, or it is tried again; `unhealthy`: it is left alone."
    )
    breaker: BreakerState
    failures: int = Field(description="In a row, up to now.")
    checked_at: datetime | None = Field(description="When it was last called.")
    response_seconds: float | None = Field(description="Moving average over its answers.")
    making_seconds: float | None = Field(description="Moving average from a request to its finished result.")
    calls: int
    failed_calls: int
    generations: int = Field(description="How many it has accepted.")
    charged: float = Field(description="What they cost together.")
    cost_per_generation: float | None
    price_per_generation: float
    price_per_second: float
    requests_per_minute: int | None
    last_failure: ProviderFailure | None = None
    last_test: ProviderTestResult | None = None


class Providers(Answer):
    """The providers, in the order of the settings."""

    policy: str
    currency: str
    day_budget: float | None
    charged_today: float = Field(description="Charged or reserved since midnight, UTC.")
    items: tuple[ProviderStatus, ...]


class ProviderTestRequest(Call):
    """Which providers to test."""

    providers: tuple[str, ...] = Field(default=(), max_length=100, description="By name; without any: all.")


class ProviderTests(Answer):
    """What the tests came to."""

    run_id: str = Field(description="The flow run that carried them out.")
    items: tuple[ProviderTestResult, ...]


class GenerationLinks(Answer):
    """Where to go from a generation."""

    self: str
    job: str
    batch: str | None = None


class GenerationAnswer(Answer):
    """One request to one provider, as the ledger has it."""

    id: str
    state: GenerationState
    provider: str
    engine: str
    model: str
    capability: Capability
    provider_id: str | None = Field(description="What the provider calls it.")
    idempotency_key: str = Field(description="Ours; the provider has it with every attempt to send.")
    job_id: str
    batch_id: str | None
    batch_row: int | None
    price: float = Field(description="Reckoned before it was sent.")
    charged: float | None = Field(description="What it costs, from acceptance on.")
    currency: str
    attempts: int
    failure_class: str | None
    code: str | None
    message: str
    result_key: str | None
    result_sha256: str | None
    result_bytes: int | None
    details: Mapping[str, Any]
    request: GenerationRequest
    created_at: datetime
    sent_at: datetime | None
    accepted_at: datetime | None
    made_at: datetime | None
    ended_at: datetime | None
    moves: tuple[HeldMove, ...] = Field(description="What a person can decide about it now.")
    links: GenerationLinks


class Generations(Page[GenerationAnswer]):
    """Entries of the ledger, the latest first, with sums over all that the filters choose, not only this page."""

    totals: GenerationTotals
    currency: str


class AdoptRequest(Call):
    """Which generation at the provider it is."""

    provider_id: str = Field(min_length=1, max_length=1000, description="The provider's id of it.")
