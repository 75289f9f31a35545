from datetime import UTC, datetime

import pytest

from data.domain.dates import dated, in_zone

LATE = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)


def test_the_date_is_that_of_the_place() -> None:
    assert dated("/in/{date}.csv", LATE, "UTC") == "/in/2026-11-22.csv"
    assert dated("/in/{date}.csv", LATE, "Europe/Berlin") == "/in/2026-11-23.csv"


def test_a_date_may_name_its_own_zone() -> None:
    address = in_zone("s3://b/{date}/{date}.csv", "Asia/Tokyo")

    assert address == "s3://b/{date:Asia/Tokyo}/{date:Asia/Tokyo}.csv"
    assert dated(address, LATE, "UTC") == "s3://b/2026-11-23/2026-11-23.csv"


def test_an_address_without_a_date_stays_as_it_is() -> None:
    assert dated("/in/{night}.csv", LATE, "UTC") == "/in/{night}.csv"


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="Mars"):
        dated("/in/{date:Mars}.csv", LATE, "UTC")
