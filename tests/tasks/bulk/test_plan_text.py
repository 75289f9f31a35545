from datetime import UTC, datetime, timedelta

import pytest

from data.domain.batches import BatchPlan, StepEstimate
from data.domain.windows import NightWindow
from tasks.bulk.plan_text import duration, plan_rows

STARTS_AT = datetime(2026, 3, 2, 21, tzinfo=UTC)
PLAN = BatchPlan(
    rows=10_000,
    new=9_500,
    unchanged=400,
    duplicate=60,
    rejected=40,
    media_seconds=45_000,
    bytes_in=120 * 10**9,
    bytes_out=81_500_000_000,
    steps=(StepEstimate(step="transcode", items=9_500, machine_seconds=47_000, cost=1.31, learnt_from=200),),
    wall_seconds=24_000,
    starts_at=STARTS_AT,
    finishes_at=STARTS_AT + timedelta(seconds=24_000),
    cost=1.31,
    currency="EUR",
    warnings=("Two files are bad.",),
)


def test_a_plan_says_when_it_is_done_by_the_clocks_of_the_window() -> None:
    rows = dict(plan_rows(PLAN, NightWindow.parse("22:00-06:00", "Europe/Berlin")))

    assert rows["rows"] == "10,000"
    assert rows["material"] == "12 h 30 min in 120 GB, about 81.5 GB out"
    assert rows["transcode"] == "13 h 03 min of machine time for 9,500 items, 1.31 EUR (from 200 past runs)"
    assert rows["cost"] == "about 1.31 EUR"
    assert rows["starts"] == "22:00 (Europe/Berlin)"
    assert rows["finishes"] == "about 04:40 (Europe/Berlin), after 6 h 40 min"
    assert rows["warning"] == "Two files are bad."


def test_a_plan_of_several_nights_names_the_day() -> None:
    late = PLAN.model_copy(update={"finishes_at": STARTS_AT + timedelta(days=2)})

    rows = dict(plan_rows(late, NightWindow.parse("22:00-06:00", "UTC")))

    assert rows["finishes"].startswith("about 21:00 on Wed 04 Mar 2026 (UTC)")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (89, "89 s"), (120, "2 min"), (3600, "60 min"), (7200, "2 h 00 min"), (200_000, "2 d 7 h")],
)
def test_durations_are_short(seconds: float, said: str) -> None:
    assert duration(seconds) == said
