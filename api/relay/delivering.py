"""The courier: sends what is due, as many at once as allowed, and notes what came of it."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.metrics.counters import count_delivery
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
_AHEAD_PER_ENDPOINT = 64
_MOST_AHEAD = 512
"""How many are read ahead: asking for what is due costs about as much for many as for one."""
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
        self._waiting: dict[str, deque[DueDelivery]] = {}
        """Read ahead, by endpoint; of each subject the first only, so that they may go in any order."""
        self._under_way: dict[asyncio.Task[_Tried], DueDelivery] = {}
        """Until it is noted what came of them: before that nothing of the same subject may follow."""
        self._looked_at = 0.0
        self._may_have_more = True

    async def run(self) -> None:
        """Deliver until cancelled. What is under way then is sent again, under its id, by whoever relays next."""
        shortest = pause = self._settings.poll_seconds
        try:
            while True:
                await self._look(pause)
                is_busy = self._send() > 0 or bool(self._under_way)
                pause = shortest if is_busy else min(pause * 1.5, shortest * IDLE_FACTOR)
                await self._wait(pause)
                self._send()  # others go while it is noted what came of these
                await self._settle_ended()
        finally:
            for task in self._under_way:
                task.cancel()
            if self._under_way:
                await asyncio.wait(self._under_way)

    async def _look(self, seconds: float) -> None:
        """Read ahead when there may be more for an endpoint that nothing waits for, and now and then anew."""
        is_time = time.monotonic() - self._looked_at >= seconds
        if is_time:
            self._waiting.clear()  # what was read may have changed meanwhile: addresses, secrets, switches
        elif not self._may_have_more:
            return
        under_way = [each.position for each in self._under_way.values()]
        self._looked_at = time.monotonic() if is_time else self._looked_at
        self._may_have_more = False
        for due in await asyncio.to_thread(self._due, under_way, list(self._waiting)):
            self._waiting.setdefault(due.endpoint.id, deque()).append(due)

    def _due(self, under_way: Collection[int], supplied: Collection[str]) -> tuple[DueDelivery, ...]:
        with self._database.session() as session:
            return WebhookOutbox(session).due(
                datetime.now(UTC),
                limit=_MOST_AHEAD,
                per_endpoint=_AHEAD_PER_ENDPOINT,
                besides=under_way,
                besides_endpoints=supplied,
            )

    def _send(self) -> int:
        """Send as much of what waits as may be sent at once; return how much."""
        sent = 0
        for endpoint_id in list(self._waiting):
            waiting = self._waiting[endpoint_id]
            for _ in range(min(self._room_for(endpoint_id), len(waiting))):
                due = waiting.popleft()
                self._under_way[asyncio.create_task(self._try(due))] = due
                sent += 1
            if not waiting:
                del self._waiting[endpoint_id]
                self._may_have_more = True
        return sent

    def _room_for(self, endpoint_id: str) -> int:
        """Return how many more may be sent to an endpoint now."""
        busy = [due.endpoint.id for task, due in self._under_way.items() if not task.done()]
        is_ill = self._waiting[endpoint_id][0].endpoint.failures >= _ILL_AFTER
        most = 1 if is_ill else self._settings.max_concurrency_per_endpoint
        return max(0, min(most - busy.count(endpoint_id), self._settings.max_concurrency - len(busy)))

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
        if self._news.is_set():
            self._news.clear()
            self._looked_at = 0.0
        if any(task in self._under_way for task in ended):
            await asyncio.sleep(_GATHER_SECONDS)

    async def _settle_ended(self) -> None:
        ended = [task for task in self._under_way if task.done()]
        if not ended:
            return
        for endpoint_id in await asyncio.to_thread(self._settle, [task.result() for task in ended]):
            self._waiting.pop(endpoint_id, None)  # it is off, or resting: what waits for it is no longer due
        for task in ended:
            answer = task.result().answer
            count_delivery(outcome_of(answer), None if answer.status is None else answer.seconds)
            due = self._under_way.pop(task)
            self._may_have_more |= due.endpoint.id not in self._waiting

    def _settle(self, tried: list[_Tried]) -> set[str]:
        """Note what came of tries; return the endpoints that nothing is to be sent to for now."""
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
        return {each.due.endpoint.id for each in tried if each.answer.status in {GONE, *SLOW_DOWN}}

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


def outcome_of(answer: Answer) -> str:
    """Return what a try came to, as it is counted."""
    if answer.is_taken:
        return "delivered"
    if answer.status == GONE:
        return "disabled"
    return "failed" if answer.status is None else "refused"


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
