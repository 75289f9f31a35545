from datetime import UTC, datetime, timedelta

import pytest

from data.domain.nights import Throughput
from tasks.reporting import charts
from tasks.reporting.wording import Clock

BEGINS = datetime(2026, 11, 21, 21, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 1), (0.013, 0.02), (1, 1), (3.4, 4), (61, 80), (81, 100), (100, 100), (101, 200)]
)
def test_an_axis_ends_at_a_round_number(highest: float, top: float) -> None:
    assert charts.nice_top(highest) == pytest.approx(top)


def test_bars_stay_within_the_chart_and_stand_on_each_other() -> None:
    spans = [
        Throughput(at=BEGINS + timedelta(minutes=n), seconds=60, published=n, failed=n % 3, media_seconds=70.0 * n)
        for n in range(30)
    ]
    ends = BEGINS + timedelta(minutes=30)
    axis = charts.axis_of(BEGINS, ends, spans)
    chart = charts.items_chart(spans, axis, Clock("UTC", BEGINS, ends))

    assert all(bar.x >= 0 and bar.x + bar.width <= 100 and bar.good + bar.bad <= 100 for bar in chart.bars)
    assert chart.levels == ((0.0, "0"), (50.0, "20"), (100.0, "40"))
    assert chart.bars[4].label == "21:07: 4 published, 1 failed"
    assert charts.media_chart(spans, axis, Clock("UTC", BEGINS, ends)).bars[6].label == "21:09: 7"


@pytest.mark.parametrize("seconds", [40, 200, 3_600, 6 * 3600, 30 * 3600, 40 * 86_400])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_a_few_round_times_mark_the_axis_however_long_it_is(seconds: int, zone: str) -> None:
    ends = BEGINS + timedelta(seconds=seconds)
    marks = charts.time_marks(charts.Axis(BEGINS, ends), Clock(zone, BEGINS, ends))

    assert 2 <= len(marks) <= 8
    assert all(0 <= x <= 100 for x, _ in marks)
    if seconds < 86_400:
        assert len({label for _, label in marks}) == len(marks)
    else:
        assert any(label.endswith((" Nov", " Dec")) for _, label in marks)


def test_a_change_to_winter_time_moves_no_mark_out_of_place() -> None:
    begins = datetime(2026, 10, 24, 22, tzinfo=UTC)
    ends = begins + timedelta(hours=6)
    marks = charts.time_marks(charts.Axis(begins, ends), Clock("Europe/Berlin", begins, ends))

    assert [x for x, _ in marks] == sorted(x for x, _ in marks)
