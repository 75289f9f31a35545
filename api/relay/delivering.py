"""The courier: sends what is due, as many at once as allowed, and notes what came of it."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.relay.sending import GONE, SLOW_DOWN, Answer, Sender
from data.database import Database
from data.domain.errors import NotFoundError
from data.domain.webhooks import (
    DeliveryAttempt,
    DeliveryState,
    DisabledReason,
    DueDelivery,
    Endpoint,
    Event,
    EventType,
    delay_before,
    event_id,
)
from data.repositories import Settlement, WebhookEndpointRepository, WebhookOutbox
from data.settings import WebhookSettings

IDLE_FACTOR = 5
"""With nothing to do, the pause between two looks grows to so many times what it is."""
_GATHER_SECONDS = 0.02
"""After one delivery has ended, so long others may end to be noted in the same unit of work."""
_ILL_AFTER = 5
"""An endpoint that failed so often in a row is sent one event at a time, so that it keeps no others waiting."""
_DEAD_AFTER = 10
"""One that is switched off has failed at least so often in a row: a quiet endpoint must not be for one bad day."""
_SHORT_REST = timedelta(seconds=60)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Tried:
    due: DueDelivery
    answer: Answer


class Courier:
    """Delivers; lives as long as this process relays.

    Args:
        database: The catalogue.
        sender: Sends one.
        settings: Say how fast, and how often.
        news: Set when there is something new to deliver.
    """

    def __init__(self, database: Database, sender: Sender, settings: WebhookSettings, news: asyncio.Event) -> None:
        self._database = database
        self._sender = sender
        self._settings = settings
        self._news = news
        self._under_way: dict[asyncio.Task[_Tried], DueDelivery] = {}

    async def run(self) -> None:
        """Deliver until cancelled. What is under way then is sent again, under its id, by whoever relays next."""
        shortest = pause = self._settings.poll_seconds
        try:
            while True:
                is_busy = await self._send_due() > 0 or bool(self._under_way)
                pause = shortest if is_busy else min(pause * 1.5, shortest * IDLE_FACTOR)
                await self._wait(pause)
                await self._settle_ended()
        finally:
            for task in self._under_way:
                task.cancel()
            if self._under_way:
                await asyncio.wait(self._under_way)

    async def _send_due(self) -> int:
        room = self._settings.max_concurrency - len(self._under_way)
        if room <= 0:
            return 0
        due = await asyncio.to_thread(self._due, room, [each.position for each in self._under_way.values()])
        busy = Counter(each.endpoint.id for each in self._under_way.values())
        sent = 0
        for each in due:
            most = 1 if each.endpoint.failures >= _ILL_AFTER else self._settings.max_concurrency_per_endpoint
            if busy[each.endpoint.id] < most:
                busy[each.endpoint.id] += 1
                sent += 1
                self._under_way[asyncio.create_task(self._try(each))] = each
        return sent

    def _due(self, room: int, besides: Collection[int]) -> tuple[DueDelivery, ...]:
        with self._database.session() as session:
            return WebhookOutbox(session).due(
                datetime.now(UTC),
                limit=room,
                per_endpoint=self._settings.max_concurrency_per_endpoint,
                besides=besides,
            )

    async def _try(self, due: DueDelivery) -> _Tried:
        return _Tried(due, await self._sender.send(due))

    async def _wait(self, seconds: float) -> None:
        """Wait until a delivery has ended, there is something new, or the time is up."""
        news = asyncio.create_task(self._news.wait())
        try:
            ended, _ = await asyncio.wait(
                {*self._under_way, news}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            news.cancel()
        self._news.clear()
        if any(task in self._under_way for task in ended):
            await asyncio.sleep(_GATHER_SECONDS)

    async def _settle_ended(self) -> None:
        ended = [task for task in self._under_way if task.done()]
        if not ended:
            return
        await asyncio.to_thread(self._settle, [task.result() for task in ended])
        for task in ended:  # not before it is noted: until then nothing of the same subject may follow
            del self._under_way[task]

    def _settle(self, tried: list[_Tried]) -> None:
        now = datetime.now(UTC)
        schedule = self._settings.retry_seconds
        with self._database.session() as session:
            outbox = WebhookOutbox(session)
            outbox.settle([settlement(each.due, each.answer, schedule, random.random(), now) for each in tried])  # noqa: S311
            endpoints = WebhookEndpointRepository(session)
            takers = {each.due.endpoint.id for each in tried if each.answer.is_taken}
            endpoints.note_success(takers)
            for endpoint_id in {each.due.endpoint.id for each in tried} - takers:
                answers = [each.answer for each in tried if each.due.endpoint.id == endpoint_id]
                self._note_failures(outbox, endpoints, endpoint_id, answers, now)

    def _note_failures(
        self,
        outbox: WebhookOutbox,
        endpoints: WebhookEndpointRepository,
        endpoint_id: str,
        answers: list[Answer],
        now: datetime,
    ) -> None:
        try:
            endpoint = endpoints.note_failures(endpoint_id, len(answers), resting_until(answers, now))
        except NotFoundError:  # deleted while it was sent to
            return
        is_gone = any(answer.status == GONE for answer in answers)
        if endpoint.disabled_at is None and (is_gone or self._is_dead(endpoint, now)):
            disabled = endpoints.disable(endpoint_id, DisabledReason.GONE if is_gone else DisabledReason.FAILING)
            logger.warning("The webhook %s is switched off: %s.", endpoint_id, disabled.disabled_reason)
            outbox.record([_farewell(disabled, now)])

    def _is_dead(self, endpoint: Endpoint, now: datetime) -> bool:
        patience = timedelta(days=self._settings.disable_after_days)
        is_failing = endpoint.failing_since is not None and now - endpoint.failing_since > patience
        return is_failing and endpoint.failures >= _DEAD_AFTER


def settlement(due: DueDelivery, answer: Answer, schedule: list[float], jitter: float, now: datetime) -> Settlement:
    """Return what is noted of a try.

    Args:
        due: What was sent.
        answer: What came of it.
        schedule: Seconds before each try.
        jitter: 0–1.
        now: The time.
    """
    attempt = DeliveryAttempt(
        at=answer.at,
        status=answer.status,
        error=answer.error,
        answer=answer.text,
        response_seconds=answer.seconds,
    )
    if answer.is_taken:
        return Settlement(due.position, attempt, DeliveryState.DELIVERED)
    if answer.status == GONE:
        return Settlement(due.position, attempt, DeliveryState.ABANDONED)
    delay = delay_before(due.attempts + 1, schedule, jitter)
    if delay is None:
        return Settlement(due.position, attempt, DeliveryState.FAILED)
    return Settlement(
        due.position, attempt, DeliveryState.PENDING, now + max(delay, answer.retry_after or timedelta(0))
    )


def resting_until(answers: list[Answer], now: datetime) -> datetime | None:
    """Return until when an endpoint is left alone that says it is busy; as long as it asks for, else a little."""
    rests = [
        _SHORT_REST if answer.retry_after is None else answer.retry_after
        for answer in answers
        if answer.status in SLOW_DOWN
    ]
    return now + max(rests) if rests else None


def _farewell(endpoint: Endpoint, now: datetime) -> Event:
    reason = endpoint.disabled_reason.value if endpoint.disabled_reason else None
    return Event(
        id=event_id("endpoint", endpoint.id, endpoint.disabled_at or now),
        type=EventType.ENDPOINT_DISABLED,
        subject=endpoint.id,
        owner=endpoint.owner,
        occurred_at=now,
        data={"endpoint_id": endpoint.id, "url": endpoint.url, "reason": reason, "failures": endpoint.failures},
    )
