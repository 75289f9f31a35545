from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain.batches import BatchItem
from tasks.bulk.packing import MOST_ITEMS, PackingRules, divide

RULES = PackingRules(pack_seconds=30, slots=2)


def item(row: int, seconds: float, **fields: Any) -> BatchItem:
    return BatchItem(
        batch_id="b",
        row=row,
        custom_id=str(row),
        recipe=fields.pop("recipe", "quick"),
        estimated_seconds=seconds,
        **fields,
    )


def sizes(items: list[BatchItem], rules: PackingRules = RULES, most_runs: int = 100, pending: int = 0) -> list[int]:
    return [len(parcel.rows) for parcel in divide(items, rules, most_runs=most_runs, pending=pending)]


def test_a_long_item_gets_a_run_of_its_own_and_short_ones_share() -> None:
    items = [item(1, 90), item(2, 30), *(item(row, 10) for row in range(3, 100))]

    parcels = divide(items, RULES, most_runs=4, pending=len(items))

    assert [len(parcel.rows) for parcel in parcels] == [1, 1, 3, 3]
    assert [RULES.has_own_run(items[parcel.rows[0] - 1]) for parcel in parcels] == [True, True, False, False]
    assert parcels[2].run_key == "b:3:1"


def test_packs_shrink_toward_the_end_so_that_all_slots_finish_together() -> None:
    items = [item(row, 2.0) for row in range(1, 61)]

    parcels = divide(items, RULES, most_runs=100, pending=60)

    work = [parcel.seconds for parcel in parcels]
    assert work[0] == 30.0
    assert work == sorted(work, reverse=True)
    assert work[-1] <= 4.0
    assert sum(work) == 120.0


def test_the_last_items_are_divided_among_the_slots_however_short_they_are() -> None:
    assert sizes([item(1, 1.0), item(2, 1.0)]) == [1, 1]
    assert sizes([item(row, 0.5) for row in range(1, 9)]) == [4, 4]


def test_a_pack_is_filled_to_the_nearest_item_but_never_beyond_its_limit() -> None:
    assert sizes([item(row, 2.1) for row in range(1, 13)], PackingRules(30, 4)) == [2] * 6
    assert sizes([item(1, 20), item(2, 20)], PackingRules(30, 1), pending=99) == [1, 1]


def test_what_is_left_is_not_divided_finer_than_a_run_is_worth() -> None:
    crumbs = [item(row, 0.02) for row in range(1, 41)]

    assert sizes(crumbs, PackingRules(30, 8)) == [40]
    items = [item(row, 1.0) for row in range(1, 9)]
    assert [len(p.rows) for p in divide(items, RULES, most_runs=9, pending=8, busy_seconds=60)] == [4, 4]


def test_more_that_is_pending_than_was_read_keeps_packs_large() -> None:
    items = [item(row, 1.0) for row in range(1, 61)]

    assert sizes(items, pending=60, most_runs=1) == [15]
    assert sizes(items, pending=10_000, most_runs=1) == [30]


def test_no_pack_has_more_than_so_many_items() -> None:
    items = [item(row, 0.0) for row in range(1, 1001)]

    assert sizes(items, pending=100_000, most_runs=3) == [MOST_ITEMS] * 3


def test_a_pack_holds_one_priority_only_because_it_waits_in_one_queue() -> None:
    items = [item(1, 1, priority="high"), item(2, 1, priority="high"), item(3, 1), item(4, 1)]

    parcels = divide(items, PackingRules(30, 1), most_runs=9, pending=100)

    assert [(parcel.rows, parcel.priority) for parcel in parcels] == [((1, 2), "high"), ((3, 4), "default")]


def test_an_item_that_was_at_work_when_its_run_died_goes_alone() -> None:
    suspect = item(2, 1, attempt=1, started_at=datetime(2026, 1, 1, tzinfo=UTC))
    bystander = item(3, 1, attempt=1)

    parcels = divide([item(1, 1), suspect, bystander, item(4, 1)], PackingRules(30, 1), most_runs=9, pending=100)

    assert [parcel.rows for parcel in parcels] == [(1,), (2,), (3, 4)]
    assert [parcel.run_key for parcel in parcels] == ["b:1:1", "b:2:2", "b:3:2"]


def test_a_rehearsal_never_has_a_run_of_its_own() -> None:
    rules = PackingRules(0, 1, frozenset({"rehearsal"}))

    assert not rules.has_own_run(item(1, 99, recipe="rehearsal"))
    assert rules.has_own_run(item(1, 0))


@given(
    st.lists(st.floats(0, 100), max_size=300),
    st.floats(0, 60),
    st.integers(1, 16),
    st.integers(1, 12),
)
def test_every_item_is_in_at_most_one_parcel_and_none_is_passed_over(
    seconds: list[float], pack_seconds: float, slots: int, most_runs: int
) -> None:
    items = [item(row, each) for row, each in enumerate(sorted(seconds, reverse=True), 1)]

    parcels = divide(items, PackingRules(pack_seconds, slots), most_runs=most_runs, pending=len(items))

    rows = [row for parcel in parcels for row in parcel.rows]
    assert rows == list(range(1, len(rows) + 1))
    assert len(parcels) <= most_runs
    assert len(rows) == len(items) or len(parcels) == most_runs
    assert all(len(parcel.rows) == 1 or parcel.seconds <= pack_seconds + 1e-6 for parcel in parcels)


@pytest.mark.parametrize("slots", [0, 1, 64])
def test_nothing_pending_makes_nothing(slots: int) -> None:
    assert divide([], PackingRules(30, slots), most_runs=5, pending=0) == ()
