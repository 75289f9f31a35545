"""One try: signed, patient only so long, and wherever it is led it goes nowhere else."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from api.relay.sending import Answer, open_sender, retry_after, signed_headers
from data.domain.webhooks import DueDelivery, Endpoint, new_secret
from tests.fakes.webhook_receiver import Hook, receiving
from tests.fakes.webhooks import endpoint_at, event_of

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)


def delivery(endpoint: Endpoint) -> DueDelivery:
    event = event_of("j")
    return DueDelivery(position=1, attempts=0, subject="j", event_id=event.id, body=event.body, endpoint=endpoint)


def send(url: str, secret: str, *, private: bool = True, timeout_seconds: float = 5) -> Answer:
    async def once() -> Answer:
        async with open_sender(
            allow_private_hosts=private, timeout_seconds=timeout_seconds, max_concurrency=2
        ) as sender:
            return await sender.send(delivery(endpoint_at(url, secret)))

    return asyncio.run(once())


@pytest.mark.parametrize(("status", "is_taken"), [(200, True), (204, True), (302, False), (404, False), (500, False)])
def test_only_success_counts(status: int, is_taken: bool) -> None:
    with receiving(new_secret(), lambda _: status) as receiver:
        receiver.answer_headers["Location"] = receiver.url
        answer = send(receiver.url, receiver.secret)

    assert (answer.status, answer.is_taken) == (status, is_taken)
    assert len(receiver.hooks) + len(receiver.refused) == 1, "a redirect is not followed"


def test_the_trace_of_the_request_goes_on_to_who_is_told() -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async def once(traceparent: str | None) -> None:
        async with open_sender(allow_private_hosts=True, timeout_seconds=5, max_concurrency=2) as sender:
            due = delivery(endpoint_at(receiver.url, receiver.secret))
            await sender.send(due.model_copy(update={"traceparent": traceparent}))

    with receiving(new_secret()) as receiver:
        asyncio.run(once(parent))
        asyncio.run(once(None))

    assert [hook.traceparent for hook in receiver.hooks] == [parent, ""]


def test_a_private_address_is_never_sent_to() -> None:
    with receiving(new_secret()) as receiver:
        for url in (receiver.url, receiver.url.replace("http", "https"), "https://localhost:1/", "https://2130706433/"):
            answer = send(url, receiver.secret, private=False)

            assert (answer.status, answer.is_taken) == (None, False)
            assert answer.error
    assert receiver.hooks == []


def test_who_is_slow_or_away_is_not_waited_for() -> None:
    def slowly(_: Hook) -> int:
        time.sleep(1)
        return 200

    with receiving(new_secret(), slowly) as receiver:
        slow = send(receiver.url, receiver.secret, timeout_seconds=0.2)
    away = send(receiver.url, receiver.secret)

    assert "No answer within 0.2 s" in slow.error
    assert away.error.startswith("ConnectError")


def test_while_secrets_change_each_verifies() -> None:
    old, new = new_secret(), new_secret()
    endpoint = endpoint_at(
        "https://x.example", new, previous_secret=SecretStr(old), previous_secret_until=NOW + timedelta(days=9999)
    )
    at = datetime.now(UTC)

    headers = signed_headers(delivery(endpoint), "{}", at)

    for secret in (old, new):
        Webhook(secret).verify("{}", headers)


Wait = timedelta | None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", timedelta(seconds=5)), ("999999999999", timedelta(days=1)), ("", None), ("soon", None), ("-3", None),
        ("Mon, 02 Mar 2026 20:00:30 GMT", timedelta(seconds=30)), ("Mon, 02 Mar 2026 19:00:00 GMT", timedelta(0)),
    ],
)  # fmt: skip
def test_how_long_to_wait_is_read_in_both_ways(text: str, expected: Wait) -> None:
    assert retry_after(text, NOW) == expected


def test_a_receiver_that_talks_without_end_is_cut_short() -> None:
    with receiving(new_secret()) as receiver:
        receiver.reply, receiver.answer = lambda _: 200, b"x\0" * 10_000_000
        answer = send(receiver.url, receiver.secret)

    assert (answer.is_taken, answer.text) == (True, "x" * 500)
