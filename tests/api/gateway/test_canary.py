"""When the canary is alive."""

from datetime import timedelta

import pytest

from api.gateway.canary import LONGEST, Canary


@pytest.mark.parametrize(("age", "is_alive"), [(timedelta(), True), (LONGEST, False), (timedelta(hours=1), False)])
def test_it_is_alive_as_long_as_runs_start(age: timedelta, is_alive: bool) -> None:
    assert Canary(has_started=True, age=age, delay=timedelta()).is_alive is is_alive
