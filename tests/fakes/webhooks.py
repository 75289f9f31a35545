"""Endpoints and events as tests need them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from data.domain.identity import LOCAL_USER
from data.domain.webhooks import Endpoint, Event, EventType, event_id


def endpoint_at(url: str, secret: str, **values: Any) -> Endpoint:
    """Return an endpoint that has been listening for a minute."""
    since = datetime.now(UTC) - timedelta(minutes=1)
    made = {"id": "whk_1", "owner": LOCAL_USER, "created_at": since, "listening_since": since, **values}
    return Endpoint.model_validate({"url": url, "secret": SecretStr(secret), **made})


def event_of(job: str, number: int = 1, kind: EventType = EventType.JOB_STARTED, **values: Any) -> Event:
    """Return something that happened to a job just now."""
    happened = {"owner": LOCAL_USER, "occurred_at": datetime.now(UTC), "data": {"job_id": job, "sequence": number}}
    return Event.model_validate({"id": event_id(job, number), "type": kind, "subject": job, **happened, **values})
