from datetime import UTC, datetime

import pytest

from data.database import Database
from data.domain.batches import Batch, BatchOptions, BatchState, ItemState, SkipReason
from data.repositories import BatchItemRepository, BatchRepository, ItemPlanRepository


@pytest.fixture
def batch(database: Database) -> Batch:
    batch = Batch(
        id="b1",
        name="Monday",
        manifest_uri="/media/monday.csv",
        options=BatchOptions(),
        state=BatchState.VALIDATING,
        rows=6,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    wishes = ["one", "two", "one", "", "", "one"]
    with database.session() as session:
        BatchRepository(session).create(batch)
        rows = [
            {"row": n, "custom_id": f"c{n}", "recipe": "quick", "wish_key": wish, "source": f"/in/{n}.mp4"}
            for n, wish in enumerate(wishes, 1)
        ]
        rows[0] |= {"state": "rejected"}
        BatchItemRepository(session).add(batch.id, rows)
    return batch


def test_a_row_that_repeats_an_accepted_one_is_skipped_and_names_it(database: Database, batch: Batch) -> None:
    with database.session() as session:
        assert ItemPlanRepository(session, batch.id).skip_duplicates() == 1
        assert ItemPlanRepository(session, batch.id).skip_duplicates() == 1
        items = {item.row: item for item in BatchItemRepository(session).page(batch.id)}
    assert items[1].state is ItemState.REJECTED
    assert items[3].state is ItemState.PENDING
    assert (items[6].state, items[6].reason) == (ItemState.SKIPPED, SkipReason.DUPLICATE)
    assert items[6].message == "Asks for the same as row 3."
    assert items[6].ended_at is not None
    assert {items[4].state, items[5].state} == {ItemState.PENDING}


def test_wishes_are_those_of_pending_items_in_order(database: Database, batch: Batch) -> None:
    with database.session() as session:
        plans = ItemPlanRepository(session, batch.id)
        assert [wish.row for wish in plans.wishes(0, 2)] == [2, 3]
        assert [(wish.row, wish.source) for wish in plans.wishes(3, 2)] == [(4, "/in/4.mp4"), (5, "/in/5.mp4")]
        assert plans.wishes(6, 2) == ()


def test_an_asset_is_unchanged_when_an_item_of_the_batch_was_found_so(database: Database, batch: Batch) -> None:
    unchanged = {"priority": "default", "estimated_seconds": 0.0, "state": "skipped", "reason": "unchanged"}
    with database.session() as session:
        BatchItemRepository(session).revise(batch.id, [{"row": 2, **unchanged, "asset_id": "a", "version": 1}])
        plans = ItemPlanRepository(session, batch.id)
        assert plans.unchanged_assets(["a", "b"]) == {"a"}
        assert plans.ended_with(SkipReason.UNCHANGED) == 1
