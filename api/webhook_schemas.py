"""The shapes of the calls about webhooks."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr

from api.schemas import Answer, Call, Instant, JobRequest
from data.domain.webhooks import (
    BATCH_EVENTS,
    CHOICES,
    DEFAULT_EVENTS,
    JOB_EVENTS,
    MAX_ENDPOINTS_OF_A_JOB,
    MAX_URL_CHARACTERS,
    Delivery,
    DeliveryAttempt,
    DisabledReason,
    is_secret,
)

MOST_OVERLAP_SECONDS = 7 * 24 * 3600


def _known_events(chosen: tuple[str, ...]) -> tuple[str, ...]:
    return _refuse_unknown(chosen, CHOICES)


def _job_events(chosen: tuple[str, ...]) -> tuple[str, ...]:
    return _refuse_unknown(chosen, {each for each in CHOICES if each.startswith("job.")})


def _batch_events(chosen: tuple[str, ...]) -> tuple[str, ...]:
    return _refuse_unknown(chosen, {each for each in CHOICES if each.startswith(("batch.", "item."))})


def _refuse_unknown(chosen: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    if unknown := sorted(set(chosen) - set(known)):
        raise ValueError(f"no such events: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return tuple(dict.fromkeys(chosen))


def _well_made(secret: SecretStr) -> SecretStr:
    if not is_secret(secret.get_secret_value()):
        raise ValueError("a secret is `whsec_` and 24 to 64 bytes in base64")
    return secret


Url = Annotated[str, Field(max_length=MAX_URL_CHARACTERS, examples=["https://receiver.example/hooks/dailies"])]
Secret = Annotated[SecretStr, AfterValidator(_well_made), Field(description="Yours; without one we make it.")]
Events = Annotated[
    tuple[str, ...],
    AfterValidator(_known_events),
    Field(
        min_length=1,
        max_length=50,
        description="Types (`job.failed`) and groups (`job.*`). Rows of batches (`item.*`) on request.",
    ),
]


class JobWebhook(Call):
    """Somebody who is told of one job only."""

    url: Url
    secret: Secret | None = None
    events: Annotated[tuple[str, ...], AfterValidator(_job_events), Field(min_length=1)] = JOB_EVENTS


class BatchWebhook(Call):
    """Somebody who is told of one batch only."""

    url: Url
    secret: Secret | None = None
    events: Annotated[
        tuple[str, ...],
        AfterValidator(_batch_events),
        Field(min_length=1, description="Of the batch by default; of its rows (`item.*`) on request."),
    ] = BATCH_EVENTS


JobWebhooks = Annotated[
    tuple[str | JobWebhook, ...],
    Field(
        max_length=MAX_ENDPOINTS_OF_A_JOB,
        description="Who is told of this job: ids of webhooks, addresses, or addresses with a secret to sign with. "
        "The job's own `webhooks` names those that were made; `GET /webhooks/{id}/secret` shows what signs.",
        examples=[["https://receiver.example/hooks/dailies"]],
    ),
]
BatchWebhooks = Annotated[
    tuple[str | BatchWebhook, ...],
    Field(
        max_length=MAX_ENDPOINTS_OF_A_JOB,
        description="Who is told of this batch: ids of webhooks, addresses, or addresses with a secret to sign with. "
        "The batch's own `webhooks` names those that were made.",
        examples=[["https://receiver.example/hooks/dailies"]],
    ),
]


class JobSubmission(JobRequest):
    """What to process, how, and who is told what becomes of it."""

    webhooks: JobWebhooks = ()


class EndpointRequest(Call):
    """An address that is to be told of what becomes of all your jobs and batches."""

    url: Url
    description: str = Field(default="", max_length=500)
    events: Events = DEFAULT_EVENTS
    secret: Secret | None = None


class EndpointChange(Call):
    """What to change; what is left out stays."""

    url: Url | None = None
    description: str | None = Field(default=None, max_length=500)
    events: Events | None = None


class RotateRequest(Call):
    """A new secret."""

    secret: Secret | None = None
    overlap_seconds: float = Field(
        default=24 * 3600, ge=0, le=MOST_OVERLAP_SECONDS, description="So long the old one signs beside it."
    )


class ReplayRequest(Call):
    """What to send again."""

    since: Instant = Field(description="What was to be told from then on, and was not taken.")


class EndpointAnswer(Answer):
    """An address that is told of events."""

    id: str
    owner: str
    url: str
    description: str
    events: tuple[str, ...]
    is_for_one_job: bool = Field(description="It came with a job, and is told of that one only.")
    created_at: datetime
    previous_secret_until: datetime | None = Field(description="So long the secret before this one signs, too.")
    disabled_at: datetime | None = Field(description="Since then it is told nothing.")
    disabled_reason: DisabledReason | None
    failing_since: datetime | None = Field(description="Since then it has taken nothing.")
    failures: int = Field(description="How many tries in a row came to nothing.")


class EndpointCreated(EndpointAnswer):
    """A new endpoint, with the secret to verify with."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class SecretAnswer(Answer):
    """What to verify signatures with."""

    secret: str
    previous_secret_until: datetime | None


class DeliveryAnswer(Delivery):
    """An event on its way to an endpoint."""


class DeliveryDetail(Delivery):
    """A delivery with what is sent, and every try."""

    body: dict[str, Any]
    tries: tuple[DeliveryAttempt, ...]


class Replayed(Answer):
    """What is sent again."""

    count: int
