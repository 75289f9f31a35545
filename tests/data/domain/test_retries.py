from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from data.domain.retries import RetryFilter
from tests.fakes.nights import BEGINS, failed_item, sample_item

FAILED = failed_item(1, "DATA.INPUT.CORRUPT", ended_at=BEGINS)
CANCELLED = sample_item(2, "cancelled", reason="failure_budget", ended_at=BEGINS)


def test_all_that_failed_or_was_cancelled_is_tried_again() -> None:
    states = ["pending", "running", "succeeded", "skipped", "rejected"]

    assert RetryFilter().chooses(FAILED)
    assert RetryFilter().chooses(CANCELLED)
    assert not any(RetryFilter().chooses(sample_item(3, state)) for state in states)


def test_rows_are_chosen_by_who_was_asked_for_them() -> None:
    wanted = RetryFilter(providers=("dear", "other"))

    assert wanted.chooses(FAILED, {"dear", "cheap"})
    assert not wanted.chooses(FAILED, {"cheap"})
    assert not wanted.chooses(FAILED)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ({"states": ["cancelled"]}, False),
        ({"classes": ["DATA", "INFRA"]}, True),
        ({"classes": ["INFRA"]}, False),
        ({"codes": ["DATA.INPUT.CORRUPT"]}, True),
        ({"codes": ["DATA.INPUT"]}, True),
        ({"codes": ["DATA."]}, True),
        ({"codes": ["DATA.IN"]}, False),
        ({"codes": ["DATA.INPUT.CORRUPT.MORE"]}, False),
        ({"steps": ["ingest"]}, True),
        ({"steps": ["publish"]}, False),
        ({"classes": ["DATA"], "steps": ["publish"]}, False),
        ({"ended_after": BEGINS}, True),
        ({"ended_after": BEGINS + timedelta(seconds=1)}, False),
        ({"ended_before": BEGINS}, False),
        ({"ended_before": BEGINS + timedelta(seconds=1)}, True),
    ],
)
def test_every_part_that_is_given_has_to_hold(wanted: dict[str, Any], chosen: bool) -> None:
    assert RetryFilter(**wanted).chooses(FAILED) is chosen


def test_a_cancelled_item_is_of_class_cancelled() -> None:
    assert RetryFilter(classes=("CANCELLED",)).chooses(CANCELLED)
    assert not RetryFilter(classes=("DATA",)).chooses(CANCELLED)


@pytest.mark.parametrize(
    "wanted",
    [
        {"classes": ["NOBODY"]},
        {"states": ["succeeded"]},
        {"ended_after": datetime(2026, 1, 1)},
        {"ended_after": BEGINS, "ended_before": BEGINS},
    ],
)
def test_a_filter_that_says_nothing_sensible_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RetryFilter(**wanted)
