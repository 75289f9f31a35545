"""What a cell may hold, and how it is kept."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandas
import pytest

from data.domain.errors import ManifestValueError
from data.manifests import cells

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "text"), [(" a ", "a"), (None, ""), (NAN, ""), (17, "17"), (17.0, "17"), ("", ""), (" \t", "")]
)
def test_text_is_kept_without_space_around_it_and_whole_numbers_will_do(value: object, text: str) -> None:
    assert cells.text(value) == text


@pytest.mark.parametrize("value", [True, 1.5, ["a"], {"a": 1}, b"a", datetime.now(UTC)])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(ManifestValueError):
        cells.text(value)


def test_ids_and_titles_have_their_limits() -> None:
    assert cells.custom_id(" clip-1 ") == "clip-1"
    assert cells.title("Two\nCities\x07") == "Two Cities"
    for wrong in ("x" * 201, "a\nb", "a\0b"):
        with pytest.raises(ManifestValueError):
            cells.custom_id(wrong)
    with pytest.raises(ManifestValueError):
        cells.title("x" * 201)


def test_a_prompt_may_have_lines_but_no_control_characters() -> None:
    assert cells.long_text("One\n\tTwo", 100) == "One\n\tTwo"
    for wrong in ("x" * 101, "a\x1bb"):
        with pytest.raises(ManifestValueError):
            cells.long_text(wrong, 100)


def test_a_priority_is_one_of_three() -> None:
    assert [cells.priority(value) for value in ("high", " Default", "LOW", "", None)] == [
        "high", "default", "low", None, None,
    ]  # fmt: skip
    with pytest.raises(ManifestValueError, match="did you mean high"):
        cells.priority("hihg")


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-31T22:00:00Z",
        "2026-02-01T00:00:00+02:00",
        " 2026-01-31 22:00:00+00:00 ",
        datetime(2026, 1, 31, 22, tzinfo=UTC),
        datetime(2026, 1, 31, 17, tzinfo=timezone(timedelta(hours=-5))),
        pandas.Timestamp("2026-01-31T22:00:00Z"),
    ],
)
def test_a_moment_is_kept_in_utc(value: object) -> None:
    moment = cells.not_before(value)

    assert moment == datetime(2026, 1, 31, 22, tzinfo=UTC)
    assert type(moment) is datetime
    assert moment.tzinfo is UTC


@pytest.mark.parametrize("value", ["2026-01-31T22:00:00", "2026-01-31", datetime(2026, 1, 31)])
def test_a_moment_without_a_zone_is_refused_with_a_hint(value: object) -> None:
    with pytest.raises(ManifestValueError, match=r"no time zone: write 2026-01-31T..:00:00Z"):
        cells.not_before(value)


@pytest.mark.parametrize("value", ["tomorrow", "22:00", 1769896800, "0001-01-01T00:00:00+14:00"])
def test_what_is_no_moment_is_refused(value: object) -> None:
    with pytest.raises(ManifestValueError):
        cells.not_before(value)


@pytest.mark.parametrize(
    ("whole", "by_key", "kept"),
    [
        (None, {}, {}),
        ("", {"show": ""}, {}),
        ('{"show": "News", "n": 1}', {"n": 2}, {"show": "News", "n": 2}),
        ({"deep": {"list": [1, None]}}, {}, {"deep": {"list": [1, None]}}),
        (None, {"price": Decimal("1.50"), "on": datetime(2026, 1, 31, tzinfo=UTC)},
         {"price": "1.50", "on": "2026-01-31T00:00:00+00:00"}),
    ],
)  # fmt: skip
def test_metadata_is_kept_as_plain_json(whole: object, by_key: dict[str, object], kept: dict[str, Any]) -> None:
    assert cells.metadata(whole, by_key) == kept


@pytest.mark.parametrize(
    "whole", ["[1]", "{", "text", 7, {"a": b"bytes"}, {"a": "x" * 17_000}, {"a": "\0"}, {1: "a"}, {"a": 2**70}]
)
def test_metadata_that_cannot_be_kept_is_refused(whole: object) -> None:
    with pytest.raises(ManifestValueError):
        cells.metadata(whole, {})


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert cells.metadata({"a": "\\u0000"}, {}) == {"a": "\\u0000"}


def test_an_override_may_be_json() -> None:
    assert cells.override('{"rungs": []}') == {"rungs": []}
    assert cells.override(" 30 ") == "30"
    assert cells.override(30) == 30
    for wrong in ("{", b"x"):
        with pytest.raises(ManifestValueError):
            cells.override(wrong)
