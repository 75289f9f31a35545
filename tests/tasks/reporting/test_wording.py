from datetime import UTC, datetime, timedelta

import pytest

from tasks.reporting import wording
from tasks.reporting.wording import Clock

NIGHT = datetime(2026, 11, 21, 21, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (599.6, "10 min"),
        (3569, "59 min"),
        (3570, "1 h"),
        (3599, "1 h"),
        (6480, "1 h 48 min"),
        (86_399, "24 h"),
        (90_600, "25 h 10 min"),
        (180_000, "2 d 2 h"),
        (100 * 86_400, "100 d"),
    ],
)
def test_durations_are_as_exact_as_it_matters(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


def test_counts_agree_with_their_nouns() -> None:
    assert [wording.counted(count, "row") for count in (0, 1, 2, 12_345)] == [
        "no rows",
        "1 row",
        "2 rows",
        "12,345 rows",
    ]
    assert wording.counted(2, "retry") == "2 retries"


def test_lists_read_like_a_sentence() -> None:
    assert [wording.listed(list(letters)) for letters in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "0 %"),
        (0, 9, "0 %"),
        (1, 10_000, "< 0.1 %"),
        (12, 1000, "1.2 %"),
        (1, 3, "33 %"),
        (9_999, 10_000, "> 99.9 %"),
        (5, 5, "100 %"),
        (47, 4, "1,175 %"),
    ],
)
def test_a_share_is_never_none_of_something_nor_all_of_less(part: int, whole: int, text: str) -> None:
    assert wording.share(part, whole) == text


def test_small_amounts_keep_the_digits_that_matter() -> None:
    amounts = [0, 0.0012, 12.3, 1234.5]
    assert [wording.money(each, "USD") for each in amounts] == ["0.00 USD", "0.0012 USD", "12.30 USD", "1,234.50 USD"]


def test_a_clock_shows_the_time_of_its_place_and_the_date_when_it_is_needed() -> None:
    clock = Clock("Europe/Berlin", NIGHT, NIGHT + timedelta(hours=6))

    assert clock.time(NIGHT) == "22:03"
    assert clock.time(NIGHT + timedelta(hours=26)) == "23 Nov 00:03"
    assert clock.days == "21 to 22 November 2026"
    assert Clock("Asia/Tokyo", NIGHT, NIGHT + timedelta(hours=6)).days == "Sunday, 22 November 2026"


def test_over_more_than_a_day_every_time_has_its_date() -> None:
    clock = Clock("UTC", datetime(2026, 12, 31, 22, tzinfo=UTC), datetime(2027, 1, 2, 6, tzinfo=UTC))

    assert clock.time(datetime(2027, 1, 1, 5, tzinfo=UTC)) == "1 Jan 05:00"
    assert clock.days == "31 December 2026 to 2 January 2027"
