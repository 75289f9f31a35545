"""The outbox on both kinds of catalogue: in order for each subject, and nothing twice."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from data.database import Database
from data.domain.errors import NotFoundError
from data.domain.webhooks import (
    DeliveryAttempt,
    DeliveryState,
    DisabledReason,
    DueDelivery,
    EventType,
    new_secret,
)
from data.repositories import (
    DeliveryFilter,
    EndpointFilter,
    Settlement,
    WebhookEndpointRepository,
    WebhookOutbox,
)
from tests.fakes.webhooks import endpoint_at, event_of

LATER = timedelta(hours=1)
TRY = DeliveryAttempt(at=datetime.now(UTC), status=500, error="It answered 500.", answer="", response_seconds=0.1)


@pytest.fixture
def listening(database: Database) -> str:
    with database.session() as session:
        WebhookEndpointRepository(session).add(endpoint_at("https://receiver.example", new_secret()))
    return "whk_1"


def due(database: Database, after: timedelta = timedelta(seconds=1), most: int = 100) -> Sequence[DueDelivery]:
    with database.session() as session:
        return WebhookOutbox(session).due(datetime.now(UTC) + after, limit=100, per_endpoint=most)


def settle(database: Database, each: DueDelivery, state: DeliveryState, next_at: datetime | None = None) -> None:
    with database.session() as session:
        WebhookOutbox(session).settle([Settlement(each.position, TRY, state, next_at)])


def names(found: Sequence[DueDelivery]) -> list[str]:
    return [f"{each.subject}{each.body['data']['sequence']}" for each in found]


def test_an_event_that_is_read_again_is_not_told_again(database: Database, listening: str) -> None:
    events = [event_of("a", 1), event_of("a", 2)]
    with database.session() as session:
        outbox = WebhookOutbox(session)
        counts = [outbox.record(events[:1]), outbox.record(events), outbox.record(events)]

    assert counts == [1, 1, 0]


def test_of_each_subject_the_first_comes_first(database: Database, listening: str) -> None:
    with database.session() as session:
        WebhookOutbox(session).record([event_of("a", 1), event_of("b", 1), event_of("a", 2), event_of("b", 2)])

    assert names(due(database)) == ["a1", "b1"]
    settle(database, due(database)[0], DeliveryState.DELIVERED)
    assert sorted(names(due(database))) == ["a2", "b1"]


def test_what_failed_holds_back_what_follows_until_it_is_given_up(database: Database, listening: str) -> None:
    with database.session() as session:
        WebhookOutbox(session).record([event_of("a", 1), event_of("a", 2)])
    first = due(database)[0]
    settle(database, first, DeliveryState.PENDING, datetime.now(UTC) + LATER)
    with database.session() as session:
        WebhookOutbox(session).record([event_of("a", 3)])

    assert names(due(database)) == []
    assert names(due(database, LATER * 2)) == ["a1"]
    settle(database, first, DeliveryState.FAILED)
    assert names(due(database, LATER * 2)) == ["a2"]


def test_one_endpoint_does_not_take_the_turns_of_others(database: Database, listening: str) -> None:
    with database.session() as session:
        WebhookEndpointRepository(session).add(endpoint_at("https://other.example", new_secret(), id="whk_2"))
        WebhookOutbox(session).record([event_of(f"j{number}") for number in range(10)])

    found = due(database, most=3)

    assert sorted(each.endpoint.id for each in found) == ["whk_1"] * 3 + ["whk_2"] * 3


def test_what_is_under_way_is_not_due(database: Database, listening: str) -> None:
    with database.session() as session:
        outbox = WebhookOutbox(session)
        outbox.record([event_of("a"), event_of("b")])
        first = outbox.due(datetime.now(UTC), limit=1, per_endpoint=9)
        rest = outbox.due(datetime.now(UTC), limit=9, per_endpoint=9, besides=[first[0].position])

    assert names(rest) == ["b1"]


def test_switching_off_abandons_and_a_replay_brings_it_back(database: Database, listening: str) -> None:
    since = datetime.now(UTC) - LATER
    with database.session() as session:
        endpoints, outbox = WebhookEndpointRepository(session), WebhookOutbox(session)
        outbox.record([event_of("a", 1), event_of("a", 2)])
        endpoints.disable(listening, DisabledReason.FAILING)
        lost = outbox.page(DeliveryFilter(states=[DeliveryState.ABANDONED]))
        while_off = outbox.record([event_of("b")])
        is_heard = endpoints.listening_since()
        endpoints.enable(listening)
        count = outbox.replay_lost(listening, since)

    assert (len(lost), while_off, is_heard, count) == (2, 0, None, 2)
    assert names(due(database)) == ["a1"]


def test_a_rest_is_kept_and_ends_with_success(database: Database, listening: str) -> None:
    with database.session() as session:
        endpoints = WebhookEndpointRepository(session)
        WebhookOutbox(session).record([event_of("a")])
        failing = endpoints.note_failures(listening, 2, datetime.now(UTC) + LATER)
    resting = due(database)
    with database.session() as session:
        WebhookEndpointRepository(session).note_success([listening])
        well = WebhookEndpointRepository(session).get(listening)

    assert (failing.failures, failing.failing_since is not None, resting) == (2, True, ())
    assert (well.failures, well.failing_since) == (0, None)
    assert names(due(database)) == ["a1"]


def test_every_try_is_kept(database: Database, listening: str) -> None:
    with database.session() as session:
        WebhookOutbox(session).record([event_of("a")])
    first = due(database)[0]
    settle(database, first, DeliveryState.PENDING, datetime.now(UTC))
    settle(database, first, DeliveryState.DELIVERED)

    with database.session() as session:
        outbox = WebhookOutbox(session)
        [(_, delivery)] = outbox.page(DeliveryFilter(subject="a", owner="local", endpoint_id=listening))
        assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 2)
        assert [each.status for each in outbox.attempts(delivery.id)] == [500, 500]
        assert outbox.page(DeliveryFilter(owner="somebody else")) == ()


def test_an_endpoint_that_is_deleted_takes_its_deliveries_along(database: Database, listening: str) -> None:
    with database.session() as session:
        WebhookOutbox(session).record([event_of("a")])
    under_way = due(database)[0]
    with database.session() as session:
        WebhookEndpointRepository(session).delete(listening)

    settle(database, under_way, DeliveryState.DELIVERED)
    with database.session() as session:
        assert WebhookOutbox(session).page(DeliveryFilter()) == ()
        with pytest.raises(NotFoundError):
            WebhookEndpointRepository(session).get(listening)


def test_lists_leave_out_those_of_single_jobs_unless_asked(database: Database, listening: str) -> None:
    with database.session() as session:
        endpoints = WebhookEndpointRepository(session)
        endpoints.add(endpoint_at("https://x.example", new_secret(), id="whk_job", is_for_one_job=True))

        assert [each.id for each in endpoints.page(EndpointFilter("local"))] == [listening]
        assert len(endpoints.page(EndpointFilter("local", with_those_of_one_job=True))) == 2
        assert endpoints.page(EndpointFilter("somebody else")) == ()


def test_an_event_for_one_endpoint_needs_no_choice(database: Database, listening: str) -> None:
    with database.session() as session:
        endpoint = WebhookEndpointRepository(session).change(listening, events=("batch.failed",))
        delivery = WebhookOutbox(session).add(event_of("t", kind=EventType.WEBHOOK_TEST), endpoint)

    assert (delivery.type, delivery.state) == (EventType.WEBHOOK_TEST, DeliveryState.PENDING)


def test_a_cursor_moves(database: Database) -> None:
    with database.session() as session:
        outbox = WebhookOutbox(session)
        outbox.move_cursor("jobs", "1")
        outbox.move_cursor("jobs", "2")

        assert (outbox.cursor("jobs"), outbox.cursor("other")) == ("2", None)


def test_the_backlog_is_what_should_have_been_sent_by_now(database: Database, listening: str) -> None:
    with database.session() as session:
        outbox = WebhookOutbox(session)
        nothing = outbox.backlog(datetime.now(UTC))
        outbox.record([event_of("a", 1), event_of("a", 2), event_of("b", 1)])
    settle(database, due(database)[-1], DeliveryState.PENDING, datetime.now(UTC) + LATER * 2)
    with database.session() as session:
        overdue = WebhookOutbox(session).backlog(datetime.now(UTC) + LATER)
        WebhookEndpointRepository(session).disable("whk_1", DisabledReason.REQUEST)
        of_nobody = WebhookOutbox(session).backlog(datetime.now(UTC) + LATER)

    assert (nothing.count, nothing.oldest_seconds) == (0, 0)
    assert overdue.count == 2
    assert 3500 < overdue.oldest_seconds < 3700
    assert of_nobody.count == 0


def test_the_trace_of_an_event_comes_with_its_delivery(database: Database, listening: str) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with database.session() as session:
        WebhookOutbox(session).record([event_of("a", traceparent=parent), event_of("b")])

    assert [each.traceparent for each in due(database)] == [parent, None]
