from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from data.domain.identity import LOCAL_USER
from data.domain.webhooks import (
    DEFAULT_EVENTS,
    EventType,
    delay_before,
    event_id,
    is_secret,
    is_wanted,
    new_secret,
)
from tests.fakes.webhooks import endpoint_at, event_of

URL = "https://receiver.example"


def test_the_same_thing_that_happened_has_the_same_id() -> None:
    assert event_id("job", "state") == event_id("job", "state")
    assert event_id("job", "state") != event_id("job", "other")
    assert event_id("job", "state").startswith("evt_")


def test_types_and_groups_are_chosen_and_a_test_always_comes() -> None:
    assert is_wanted(EventType.JOB_FAILED, ["job.failed"])
    assert is_wanted(EventType.JOB_FAILED, ["job.*"])
    assert not is_wanted(EventType.JOB_FAILED, ["job.succeeded", "batch.*"])
    assert is_wanted(EventType.WEBHOOK_TEST, ["job.failed"])


def test_rows_of_batches_are_told_of_on_request_only() -> None:
    assert not is_wanted(EventType.ITEM_FAILED, DEFAULT_EVENTS)
    assert is_wanted(EventType.ITEM_FAILED, ["item.*"])


def test_our_secrets_are_those_of_standard_webhooks() -> None:
    secret = new_secret()

    assert is_secret(secret)
    assert Webhook(secret)
    assert secret != new_secret()


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "secret", "whsec_!!!", "whsec_" + "A" * 200])
def test_what_is_no_secret_is_told(text: str) -> None:
    assert not is_secret(text)


def test_an_endpoint_hears_what_its_owner_does_from_then_on() -> None:
    endpoint = endpoint_at(URL, new_secret())

    assert endpoint.hears(event_of("job"))
    assert not endpoint.hears(event_of("job", owner="somebody else"))
    assert not endpoint.hears(event_of("job", occurred_at=datetime.now(UTC) - timedelta(hours=1)))
    off = endpoint.model_copy(update={"disabled_at": datetime.now(UTC)})
    assert not off.hears(event_of("job"))


def test_an_endpoint_of_one_job_hears_of_that_one_only() -> None:
    endpoint = endpoint_at(URL, new_secret(), is_for_one_job=True)

    assert not endpoint.hears(event_of("job", owner=LOCAL_USER))
    assert endpoint.hears(event_of("job", endpoints=(endpoint.id,)))


def test_the_secret_before_signs_until_its_time_is_up() -> None:
    now = datetime.now(UTC)
    old = SecretStr(new_secret())
    endpoint = endpoint_at(URL, new_secret(), previous_secret=old, previous_secret_until=now + timedelta(hours=1))

    assert endpoint.secrets_at(now)[1:] == (old.get_secret_value(),)
    assert len(endpoint.secrets_at(now + timedelta(hours=2))) == 1
    assert old.get_secret_value() not in repr(endpoint)


def test_tries_wait_longer_and_longer_and_end() -> None:
    schedule = [0, 5, 300]

    assert delay_before(0, schedule, 1) == timedelta(0)
    assert delay_before(1, schedule, 0) == timedelta(seconds=5)
    assert delay_before(2, schedule, 1) == timedelta(seconds=330)
    assert delay_before(3, schedule, 0) is None
