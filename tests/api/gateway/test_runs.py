"""What a run went through is read in the order in which it happened."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.states import AwaitingRetry, Completed, Late, Pending, Running, Scheduled

from api.gateway.runs import in_order

START = datetime(2026, 11, 24, tzinfo=UTC)


def dated(*states: State[Any]) -> list[State[Any]]:
    return [
        state.model_copy(update={"timestamp": START + timedelta(seconds=number)}) for number, state in enumerate(states)
    ]


@pytest.mark.parametrize(
    "states",
    [
        (Scheduled(), Pending(), Running(), Completed()),
        (Scheduled(), Late(), Pending(), Running()),
        (Scheduled(), Running(), AwaitingRetry(), Late(), Running()),
    ],
)
def test_states_come_by_their_time(states: tuple[State[Any], ...]) -> None:
    by_time = dated(*states)

    assert in_order(reversed(by_time)) == by_time


def test_a_run_was_late_before_it_began_whatever_the_time_says() -> None:
    scheduled, pending, running, late, retry = dated(Scheduled(), Pending(), Running(), Late(), AwaitingRetry())

    assert in_order([scheduled, pending, running, late, retry]) == [scheduled, late, pending, running, retry]
