"""How batches share the machines."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.bulk.feeding import slots_of_share
from tasks.bulk.sharing import Demand, share_of

NOW = datetime(2026, 1, 2, 23, 0, tzinfo=UTC)
SLOTS = 8


def by(hours: float, work_hours: float, batch_id: str = "urgent") -> Demand:
    return Demand(batch_id, NOW + timedelta(hours=hours), work_hours * 3600)


def slots(*demands: Demand) -> list[int]:
    return [slots_of_share(SLOTS, share_of(each.batch_id, demands, SLOTS, NOW)) for each in demands]


def test_without_deadlines_all_have_the_same() -> None:
    assert slots(Demand("a")) == [8]
    assert slots(Demand("a"), Demand("b")) == [4, 4]
    assert slots(*(Demand(str(number)) for number in range(20))) == [1] * 20


def test_a_batch_that_is_short_of_time_gets_more_and_one_that_has_plenty_gives_way() -> None:
    assert slots(by(2, 12), Demand("any")) == [4, 3]  # it needs 6 of the 8: one and a half of its equal share
    assert slots(by(2, 12), by(10, 10, "later")) == [6, 2]
    assert slots(by(10, 1, "later"), Demand("any")) == [2, 5]


def test_the_nearer_its_deadline_the_more_a_batch_gets() -> None:
    shares = [share_of("urgent", (by(hours, 12), Demand("any")), SLOTS, NOW) for hours in (12, 4, 2, 1, 0.5, 0)]

    assert shares == sorted(shares)
    assert len(set(shares)) == len(shares) - 1  # at last it has the most that there is


@pytest.mark.parametrize("urgent", [by(0.001, 10_000), by(-1, 5), by(0, 5)])
def test_no_deadline_starves_another_batch(urgent: Demand) -> None:
    rivals = (urgent, by(1000, 1, "later"), Demand("any"))

    shares = [share_of(each.batch_id, rivals, SLOTS, NOW) for each in rivals]

    assert sum(shares) == pytest.approx(1)
    assert min(shares) >= 0.5 / 5.5
    assert min(slots(*rivals)) == 1


def test_a_deadline_of_which_no_work_is_known_weighs_as_much_as_none() -> None:
    assert slots(by(1, 0), Demand("any")) == [4, 4]
