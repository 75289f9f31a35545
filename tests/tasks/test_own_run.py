"""What a run asks of Prefect about itself while Prefect is slow to answer."""

import uuid
from typing import cast

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.logging import disable_run_logger

from tasks.own_run import OwnRun


class SlowPrefect:
    """Answers only after so many questions."""

    def __init__(self, silent: int, answer: StateType | None) -> None:
        self.asked = 0
        self._silent = silent
        self._answer = answer

    def read_flow_run(self, run_id: uuid.UUID) -> FlowRun:
        self.asked += 1
        if self.asked <= self._silent:
            raise httpx.ReadTimeout("It is busy.")
        if self._answer is None:
            raise ObjectNotFound(LookupError(run_id))
        return FlowRun(id=run_id, flow_id=run_id, state=State(type=self._answer))


def is_cancelled(prefect: SlowPrefect) -> bool:
    with disable_run_logger():
        return OwnRun(uuid.uuid4(), cast("SyncPrefectClient", prefect)).is_cancelled()


@pytest.mark.parametrize(
    ("answer", "cancelled"),
    [
        (StateType.CANCELLING, True),
        (StateType.CANCELLED, True),
        (None, True),  # deleted
        (StateType.RUNNING, False),
        (StateType.PAUSED, False),
    ],
)
def test_a_run_that_ends_learns_whether_it_was_cancelled_though_prefect_is_busy(
    answer: StateType | None, cancelled: bool
) -> None:
    assert is_cancelled(SlowPrefect(2, answer)) is cancelled


def test_a_run_that_ends_does_not_ask_for_ever() -> None:
    prefect = SlowPrefect(99, StateType.CANCELLED)

    assert not is_cancelled(prefect)
    assert prefect.asked == 3
