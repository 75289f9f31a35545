from datetime import timedelta

import pytest

from data.database import Database
from data.domain.ledger import BreakerState, Health
from data.repositories import ProviderHealthRepository


def test_a_provider_that_nobody_called_is_healthy(database: Database) -> None:
    with database.session() as session:
        health = ProviderHealthRepository(session)
        assert health.get("p").health is Health.HEALTHY
        assert health.all() == {}


def test_calls_failures_and_times_are_kept(database: Database) -> None:
    with database.session() as session:
        health = ProviderHealthRepository(session)
        health.note_call("p", 1.0)
        health.note_call("p", 2.0)
        health.note_call("p", 30.0, ("PROVIDER.UNAVAILABLE", "It is down."))
        health.count_failure("p")
        found = health.get("p")

    assert (found.calls, found.failed_calls, found.failures, found.health) == (3, 1, 1, Health.DEGRADED)
    assert found.response_seconds == pytest.approx(1.2)
    assert (found.code, found.message) == ("PROVIDER.UNAVAILABLE", "It is down.")


def test_one_at_a_time_tries_whether_it_is_back(database: Database) -> None:
    with database.session() as session:
        health = ProviderHealthRepository(session)
        health.set_breaker("p", BreakerState.HALF_OPEN)
        assert health.claim_probe("p", timedelta(minutes=1))
        assert not health.claim_probe("p", timedelta(minutes=1))
        assert health.claim_probe("p", timedelta(0)), "who died while trying is forgotten"
        health.forget_failures("p")
        assert health.claim_probe("p", timedelta(minutes=1))


def test_a_reset_lets_requests_through_again(database: Database) -> None:
    with database.session() as session:
        health = ProviderHealthRepository(session)
        health.set_breaker("p", BreakerState.OPEN)
        health.count_failure("p")
        assert health.get("p").health is Health.UNHEALTHY
        health.reset("p")
        assert health.get("p").health is Health.HEALTHY
