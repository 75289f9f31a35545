from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from data.domain.windows import AtEnd, NightWindow
from tasks.bulk.clock import Capacity, Load, finish, nights, working_seconds

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600.0


def window(at_end: AtEnd = AtEnd.PAUSE) -> NightWindow:
    return NightWindow.parse("22:00-06:00", "Europe/Berlin", at_end)


def berlin(year: int, month: int, day: int, hour: int) -> datetime:
    return datetime(year, month, day, hour, tzinfo=BERLIN).astimezone(UTC)


def test_the_slowest_resource_decides() -> None:
    capacity = Capacity(encode_slots=4, gpu_slots=1)
    encode = working_seconds(Load(100, cpu_seconds=4000, gpu_seconds=100, runs=10), capacity, 10)
    listen = working_seconds(Load(100, cpu_seconds=4000, gpu_seconds=3000, runs=10), capacity, 10)
    one_at_a_time = working_seconds(Load(100, cpu_seconds=4000, gpu_seconds=3000, runs=10), capacity, 1)

    assert encode == pytest.approx(1000, rel=0.05)
    assert listen == pytest.approx(3000, rel=0.05)
    assert one_at_a_time == pytest.approx(4000, rel=0.05)
    assert working_seconds(Load(0, 0, 0, 0), capacity, 10) == 0


def test_work_that_does_not_fit_goes_on_another_night() -> None:
    starts_at = berlin(2026, 1, 12, 22)

    assert finish(starts_at, 7 * HOUR, window()) == berlin(2026, 1, 13, 5)
    assert finish(starts_at, 10 * HOUR, window()) == berlin(2026, 1, 14, 0)
    assert nights(starts_at, berlin(2026, 1, 14, 0), window()) == 2
    assert nights(starts_at, berlin(2026, 1, 13, 5), window()) == 1


def test_the_night_that_loses_an_hour_is_shorter_and_the_one_that_gains_one_longer() -> None:
    # On 29 March 2026 clocks go from 2 to 3, on 25 October from 3 to 2: seven and nine hours of night.
    spring, autumn = berlin(2026, 3, 28, 22), berlin(2026, 10, 24, 22)

    assert finish(spring, 8 * HOUR, window()) == berlin(2026, 3, 29, 23)
    assert finish(autumn, 9 * HOUR, window()) == berlin(2026, 10, 25, 6)
    assert finish(autumn, 9 * HOUR, window()) - autumn == timedelta(hours=9)


def test_a_window_may_be_overrun_or_leave_out_what_is_not_urgent() -> None:
    starts_at = berlin(2026, 1, 12, 22)

    assert finish(starts_at, 10 * HOUR, window(AtEnd.FINISH)) == berlin(2026, 1, 13, 8)
    assert finish(starts_at, 10 * HOUR, window(AtEnd.SHED), 2 * HOUR) == berlin(2026, 1, 13, 6)
    assert finish(starts_at, 10 * HOUR, window(AtEnd.SHED), 9 * HOUR) == berlin(2026, 1, 13, 7)
    assert finish(starts_at, 10 * HOUR, None) == berlin(2026, 1, 13, 8)


def test_a_window_of_the_whole_day_never_closes() -> None:
    always = NightWindow.parse("22:00-22:00", "Europe/Berlin", AtEnd.PAUSE)

    assert finish(berlin(2026, 1, 12, 22), 100 * HOUR, always) == berlin(2026, 1, 12, 22) + timedelta(hours=100)
