"""Send one event to one endpoint, signed as Standard Webhooks says, and understand the answer."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import orjson
from opentelemetry.trace import SpanKind, Status, StatusCode
from standardwebhooks import Webhook

from data.addresses import UNFIT, UNREACHABLE, AsyncGuardedTransport
from data.domain.errors import AddressForbiddenError, AddressUnknownError
from data.domain.webhooks import DueDelivery
from data.telemetry.tracing import current_traceparent, span

GONE = 410
SLOW_DOWN = frozenset({429, 503})
_MOST_ANSWER_BYTES = 2048
_MOST_ANSWER_CHARACTERS = 500
_LONGEST_REST = timedelta(days=1)


@dataclass(frozen=True)
class Answer:
    """What came of a try."""

    at: datetime
    seconds: float
    status: int | None = None
    error: str = ""
    text: str = ""
    """The beginning of what was said."""
    retry_after: timedelta | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the endpoint has taken the event."""
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """Sends to public addresses only, follows no redirect and waits for nobody. Lives as long as the relay.

    Args:
        client: See :func:`open_sender`.
        timeout_seconds: How long a receiver may take, all in all.
    """

    def __init__(self, client: httpx.AsyncClient, timeout_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds

    async def send(self, due: DueDelivery) -> Answer:
        """Make one try, in the trace that the event is a part of; what goes wrong with it is an answer, too."""
        facts = {
            "dailies.webhook.endpoint": due.endpoint.id,
            "dailies.webhook.event": due.event_id,
            "dailies.webhook.type": str(due.body.get("type", "")),
        }
        with span("webhook", facts, parent=due.traceparent, kind=SpanKind.CLIENT) as tried:
            answer = await self._answer(due)
            if answer.status is not None:
                tried.set_attribute("http.response.status_code", answer.status)
            if not answer.is_taken:
                tried.set_status(Status(StatusCode.ERROR, answer.error))
        return answer

    async def _answer(self, due: DueDelivery) -> Answer:
        at, began = datetime.now(UTC), time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status, text, wait = await self._post(due, at)
        except TimeoutError:
            return Answer(at, time.monotonic() - began, error=f"No answer within {self._timeout_seconds:g} s.")
        except (AddressForbiddenError, AddressUnknownError) as error:
            return Answer(at, time.monotonic() - began, error=error.message)
        except (*UNFIT, *UNREACHABLE) as error:
            return Answer(at, time.monotonic() - began, error=f"{type(error).__name__}: {error}".rstrip(": "))
        refusal = "" if 200 <= status < 300 else f"It answered {status}."
        return Answer(at, time.monotonic() - began, status, refusal, text, wait)

    async def _post(self, due: DueDelivery, at: datetime) -> tuple[int, str, timedelta | None]:
        body = orjson.dumps(due.body, option=orjson.OPT_SORT_KEYS)
        headers = signed_headers(due, body.decode(), at)
        if traceparent := current_traceparent():
            headers["traceparent"] = traceparent
        async with self._client.stream("POST", due.endpoint.url, content=body, headers=headers) as response:
            said = b""
            async for piece in response.aiter_raw():
                said += piece
                if len(said) >= _MOST_ANSWER_BYTES:
                    break
        text = said.decode("utf-8", "replace").replace("\0", "")[:_MOST_ANSWER_CHARACTERS]
        return response.status_code, text, retry_after(response.headers.get("retry-after", ""), at)


@asynccontextmanager
async def open_sender(
    *, allow_private_hosts: bool, timeout_seconds: float, max_concurrency: int
) -> AsyncIterator[Sender]:
    """Open what sends.

    Args:
        allow_private_hosts: Send to ``http://`` and private addresses too.
        timeout_seconds: How long a receiver may take to answer.
        max_concurrency: Most connections at once.
    """
    transport = AsyncGuardedTransport(allow_private_hosts=allow_private_hosts, max_connections=max_concurrency)
    headers = {"user-agent": "dailies-webhooks", "accept-encoding": "identity"}
    async with httpx.AsyncClient(
        transport=transport, follow_redirects=False, timeout=timeout_seconds, trust_env=False, headers=headers
    ) as client:
        yield Sender(client, timeout_seconds)


def signed_headers(due: DueDelivery, body: str, at: datetime) -> dict[str, str]:
    """Return the headers of Standard Webhooks; while secrets change, one signature by each."""
    signatures = [Webhook(secret).sign(due.event_id, at, body) for secret in due.endpoint.secrets_at(at)]
    return {
        "content-type": "application/json",
        "webhook-id": due.event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def retry_after(text: str, now: datetime) -> timedelta | None:
    """Return how long a ``Retry-After`` asks to wait, in seconds or until a date; at most a day."""
    if text.strip().isdigit():
        wait = timedelta(seconds=min(int(text), int(_LONGEST_REST.total_seconds())))
    else:
        try:
            wait = parsedate_to_datetime(text) - now
        except (ValueError, TypeError):
            return None
    return min(max(wait, timedelta(0)), _LONGEST_REST)
