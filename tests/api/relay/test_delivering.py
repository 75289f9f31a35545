"""What a try comes to, and when an endpoint is given up."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.relay.delivering import Courier, outcome_of, resting_until, settlement
from api.relay.sending import Answer, open_sender
from data.database import Database
from data.domain.webhooks import DeliveryState, DisabledReason, DueDelivery, EventType, new_secret
from data.repositories import DeliveryFilter, WebhookEndpointRepository, WebhookOutbox
from data.settings import WebhookSettings
from tests.fakes.catalogues import make_catalogue
from tests.fakes.webhook_receiver import Receiver, receiving
from tests.fakes.webhooks import endpoint_at, event_of

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
SCHEDULE = [0.0, 5.0, 300.0]


def due(attempts: int = 0) -> DueDelivery:
    return DueDelivery(
        position=1,
        attempts=attempts,
        subject="j",
        event_id="evt_1",
        body={},
        endpoint=endpoint_at("https://x.example", new_secret()),
    )


def answer(status: int | None, wait: timedelta | None = None) -> Answer:
    return Answer(NOW, 0.1, status, retry_after=wait)


@pytest.mark.parametrize(
    ("attempts", "given", "state", "wait"),
    [
        (0, answer(200), DeliveryState.DELIVERED, None),
        (0, answer(500), DeliveryState.PENDING, 5),
        (1, answer(None), DeliveryState.PENDING, 300),
        (2, answer(500), DeliveryState.FAILED, None),
        (0, answer(410), DeliveryState.ABANDONED, None),
        (0, answer(429, timedelta(seconds=60)), DeliveryState.PENDING, 60),
        (1, answer(429, timedelta(seconds=60)), DeliveryState.PENDING, 300),
    ],
)
def test_a_try_comes_to_what_is_due_next(
    attempts: int, given: Answer, state: DeliveryState, wait: float | None
) -> None:
    settled = settlement(due(attempts), given, SCHEDULE, 0, NOW)

    assert settled.state is state
    assert settled.next_at == (None if wait is None else NOW + timedelta(seconds=wait))


def test_one_that_says_it_is_busy_gets_a_rest() -> None:
    assert resting_until([answer(500)], NOW) is None
    assert resting_until([answer(503)], NOW) == NOW + timedelta(seconds=60)
    assert resting_until([answer(429, timedelta(seconds=7)), answer(500)], NOW) == NOW + timedelta(seconds=7)


@pytest.mark.parametrize(
    ("status", "outcome"), [(204, "delivered"), (302, "refused"), (500, "refused"), (410, "disabled"), (None, "failed")]
)
def test_tries_are_counted_by_what_they_came_to(status: int | None, outcome: str) -> None:
    assert outcome_of(answer(status)) == outcome


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    make_catalogue(url)
    opened = Database(url)
    yield opened
    opened.close()


def courier_until(database: Database, is_done: Callable[[], bool], **values: object) -> None:
    """Let a courier deliver until something is seen."""
    settings = WebhookSettings.model_validate(
        {"allow_private_hosts": True, "retry_seconds": [0] + [0.01] * 30, "poll_seconds": 0.02, **values}
    )

    async def deliver() -> None:
        async with open_sender(allow_private_hosts=True, timeout_seconds=5, max_concurrency=8) as sender:
            courier = asyncio.create_task(Courier(database, sender, settings, asyncio.Event()).run())
            async with asyncio.timeout(30):
                while not is_done() and not courier.done():
                    await asyncio.sleep(0.02)
            courier.cancel()
            await asyncio.wait([courier])
            assert courier.cancelled(), courier.exception()

    asyncio.run(deliver())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(new_secret()) as running:
        yield running


def test_one_that_has_taken_nothing_for_days_is_switched_off_and_another_is_told(
    database: Database, receiver: Receiver
) -> None:
    with receiving(receiver.secret, lambda _: 500) as broken, database.session() as session:
        endpoints = WebhookEndpointRepository(session)
        endpoints.add(endpoint_at(receiver.url, receiver.secret, id="whk_well", events=("endpoint.*",)))
        endpoints.add(endpoint_at(broken.url, receiver.secret, id="whk_broken", events=("job.*",)))
        endpoints.change("whk_broken", failing_since=datetime.now(UTC) - timedelta(days=6))
        WebhookOutbox(session).record([event_of("j", 1), event_of("j", 2)])

    courier_until(database, lambda: bool(receiver.hooks))

    [told] = receiver.hooks
    assert (told.type, told.data["endpoint_id"]) == (EventType.ENDPOINT_DISABLED, "whk_broken")
    with database.session() as session:
        assert WebhookEndpointRepository(session).get("whk_broken").disabled_reason is DisabledReason.FAILING
        left = WebhookOutbox(session).page(DeliveryFilter(endpoint_id="whk_broken"))
        assert {each.state for _, each in left} == {DeliveryState.ABANDONED}


def test_a_slow_endpoint_keeps_no_other_waiting(database: Database, receiver: Receiver) -> None:
    with receiving(receiver.secret) as slow:
        slow.reply = lambda _: time.sleep(1) or 500
        with database.session() as session:
            endpoints = WebhookEndpointRepository(session)
            endpoints.add(endpoint_at(slow.url, receiver.secret, id="whk_slow"))
            endpoints.add(endpoint_at(receiver.url, receiver.secret, id="whk_well"))
            WebhookOutbox(session).record([event_of(f"j{number}") for number in range(40)])

        courier_until(
            database,
            lambda: len({hook.id for hook in receiver.hooks}) == 40,
            retry_seconds=[0] + [60] * 5,
            max_concurrency=4,
            max_concurrency_per_endpoint=2,
        )


def test_a_courier_that_is_cancelled_leaves_what_was_not_noted_to_the_next(
    database: Database, receiver: Receiver
) -> None:
    with database.session() as session:
        WebhookEndpointRepository(session).add(endpoint_at(receiver.url, receiver.secret))
        WebhookOutbox(session).record([event_of("j", number) for number in range(1, 6)])
    courier_until(database, lambda: len(receiver.hooks) >= 2)

    courier_until(database, lambda: len(receiver.of("j")) == 5)

    assert [hook.data["sequence"] for hook in receiver.of("j")] == [1, 2, 3, 4, 5]
