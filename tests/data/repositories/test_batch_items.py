from datetime import UTC, datetime, timedelta

import pytest

from data.database import Database
from data.domain.batches import Batch, BatchOptions, BatchReason, BatchState, BatchWish, ItemCounts, ItemState, run_key
from data.domain.errors import NotFoundError
from data.repositories import BatchItemRepository, BatchRepository

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def batch(database: Database) -> Batch:
    """A running batch of four rows: two short, one long, one of high priority."""
    batch = Batch(
        id="b1",
        name="Monday",
        manifest_uri="/media/monday.csv",
        options=BatchOptions(),
        state=BatchState.RUNNING,
        rows=4,
        created_at=NOW,
    )
    rows = [
        {"row": 1, "custom_id": "a", "recipe": "quick", "estimated_seconds": 1.0, "metadata": {"desk": "news"}},
        {"row": 2, "custom_id": "b", "recipe": "quick", "estimated_seconds": 1.0},
        {"row": 3, "custom_id": "c", "recipe": "quick", "estimated_seconds": 60.0},
        {"row": 4, "custom_id": "d", "recipe": "quick", "priority": "high", "estimated_seconds": 5.0},
    ]
    with database.session() as session:
        BatchRepository(session).create(batch)
        BatchItemRepository(session).add(batch.id, rows)
    return batch


def counts(database: Database) -> ItemCounts:
    with database.session() as session:
        return BatchItemRepository(session).counts("b1")


def test_items_are_fed_by_priority_then_the_longest_first_then_in_order(database: Database, batch: Batch) -> None:
    with database.session() as session:
        items = BatchItemRepository(session).next_pending(batch.id, NOW, 10)
    assert [item.custom_id for item in items] == ["d", "c", "a", "b"]
    assert items[2].metadata == {"desk": "news"}


def test_an_item_that_must_wait_is_not_fed_before_its_time(database: Database, batch: Batch) -> None:
    later = {"row": 5, "custom_id": "e", "recipe": "quick", "priority": "high", "not_before": NOW + timedelta(hours=1)}
    with database.session() as session:
        items = BatchItemRepository(session)
        items.add(batch.id, [later])
        assert "e" not in [item.custom_id for item in items.next_pending(batch.id, NOW, 10)]
        assert items.next_due(batch.id) == NOW + timedelta(hours=1)
        assert "e" in [item.custom_id for item in items.next_pending(batch.id, NOW + timedelta(hours=1), 10)]


def test_an_item_is_claimed_once_and_ends_once(database: Database, batch: Batch) -> None:
    key = run_key(batch.id, 1, 1)
    with database.session() as session:
        items = BatchItemRepository(session)
        assert set(items.claim(batch.id, [1, 2], key)) == {1, 2}
        assert items.claim(batch.id, [2, 3], run_key(batch.id, 2, 1)) == (3,)
        items.submitted(key, "run-1")
        assert items.start(batch.id, 1, key, "transcode")
        assert items.finish(batch.id, 1, key, ItemState.SUCCEEDED, asset_id=None, version=1)
        assert not items.finish(batch.id, 1, key, ItemState.FAILED, code="INFRA.UNKNOWN")
        [run, _] = items.runs_in_flight(batch.id)
        assert (run.run_key, run.run_id, run.items, run.estimated_seconds) == (key, "run-1", 1, 1.0)
    assert counts(database) == ItemCounts(rows=4, pending=1, feeding=1, queued=1, succeeded=1)


def test_a_run_that_was_given_up_on_changes_nothing_any_more(database: Database, batch: Batch) -> None:
    old, new = run_key(batch.id, 1, 1), run_key(batch.id, 1, 2)
    with database.session() as session:
        items = BatchItemRepository(session)
        items.claim(batch.id, [1], old)
        assert items.release(old) == 1
        items.claim(batch.id, [1], new)
        assert not items.start(batch.id, 1, old, "ingest")
        assert not items.finish(batch.id, 1, old, ItemState.FAILED, message="late")
        found = items.get(batch.id, 1)
    assert found is not None
    assert (found.state, found.attempt, found.run_key) == (ItemState.FEEDING, 2, new)


def test_the_equation_holds_only_when_every_row_has_ended(database: Database, batch: Batch) -> None:
    assert not counts(database).balances
    with database.session() as session:
        assert BatchItemRepository(session).cancel_pending(batch.id, "request", spare=["high"]) == 3
    assert not counts(database).balances
    with database.session() as session:
        BatchItemRepository(session).cancel_pending(batch.id, "request")
    assert counts(database).balances
    assert not ItemCounts(rows=5, cancelled=4).balances


def test_a_plan_revises_pending_items_only(database: Database, batch: Batch) -> None:
    revision = {"priority": "low", "estimated_seconds": 9.0, "reason": None, "asset_id": None, "version": None}
    with database.session() as session:
        items = BatchItemRepository(session)
        items.claim(batch.id, [2], "b1:2:1")
        items.revise(
            batch.id,
            [
                {"row": 1, **revision, "state": "skipped", "reason": "unchanged"},
                {"row": 2, **revision, "state": "skipped"},
                {"row": 3, **revision, "state": "pending"},
            ],
        )
        found = {item.row: item for item in items.page(batch.id)}
    assert found[1].state is ItemState.SKIPPED
    assert found[1].ended_at is not None
    assert found[2].state is ItemState.FEEDING
    assert (found[3].state, found[3].estimated_seconds) == (ItemState.PENDING, 9.0)


def test_the_latest_ended_come_first_and_failures_are_counted_by_code(database: Database, batch: Batch) -> None:
    with database.session() as session:
        items = BatchItemRepository(session)
        items.claim(batch.id, [1, 2, 3], "b1:1:1")
        failure = {"failure_class": "DATA", "code": "DATA.INPUT.CORRUPT", "message": "bad\0bytes"}
        assert items.finish_all(batch.id, [2, 1], "b1:1:1", ItemState.FAILED, **failure) == (1, 2)
        items.finish(batch.id, 3, "b1:1:1", ItemState.SUCCEEDED)
        items.claim(batch.id, [4], "b1:4:1")
        items.finish(batch.id, 4, "b1:4:1", ItemState.FAILED, failure_class="INFRA", code="INFRA.DISK.FULL")
        assert items.last_ended(batch.id, 2) == (
            (ItemState.SUCCEEDED, None),
            (ItemState.FAILED, "DATA.INPUT.CORRUPT"),
        )
        assert items.failures(batch.id) == {
            ("DATA", "DATA.INPUT.CORRUPT"): 2,
            ("INFRA", "INFRA.DISK.FULL"): 1,
        }


def test_all_items_are_given_once_in_order_however_many(database: Database, batch: Batch) -> None:
    with database.session() as session:
        items = BatchItemRepository(session)
        items.add(batch.id, [{"row": n, "custom_id": f"x{n}", "recipe": "quick"} for n in range(5, 2506)])
        assert [item.row for item in items.all(batch.id)] == list(range(1, 2506))


def test_of_two_moves_that_race_one_is_told_that_it_came_too_late(database: Database, batch: Batch) -> None:
    with database.session() as session:
        batches = BatchRepository(session)
        assert batches.move(
            batch.id, BatchState.PAUSED, allowed_from=[BatchState.RUNNING], reason=BatchReason.REQUEST, message="Ann"
        )
        assert not batches.move(batch.id, BatchState.PAUSED, allowed_from=[BatchState.RUNNING])
        assert batches.move(batch.id, BatchState.RUNNING, allowed_from=[BatchState.PAUSED])
        batches.set_wish(batch.id, BatchWish.CANCEL)
        batches.add_outputs(batch.id, {"report": "batches/b1/report.html"})
        batches.add_outputs(batch.id, {"rejects": "batches/b1/rejects.csv"})
        batches.spend(batch.id, 0.25)
        assert batches.move(batch.id, BatchState.CANCELLED, allowed_from=[BatchState.RUNNING])
    with database.session() as session:
        found = BatchRepository(session).get(batch.id)
        assert BatchRepository(session).unfinished() == ()
    assert (found.state, found.wish, found.spent) == (BatchState.CANCELLED, BatchWish.CANCEL, 0.25)
    assert set(found.outputs) == {"report", "rejects"}
    assert found.started_at is not None
    assert found.ended_at is not None


def test_an_unknown_batch_is_not_found(database: Database) -> None:
    with database.session() as session, pytest.raises(NotFoundError):
        BatchRepository(session).get("nul\0")


def test_of_several_items_only_those_in_hand_are_begun_and_ended(database: Database, batch: Batch) -> None:
    with database.session() as session:
        items = BatchItemRepository(session)
        items.claim(batch.id, [1, 2, 3], "b1:1:1")
        items.release("b1:1:1", [2])

        assert items.start_all(batch.id, [1, 2, 3, 4], "b1:1:1", "ingest") == (1, 3)
        assert items.work(batch.id) == {ItemState.PENDING: 6.0, ItemState.RUNNING: 61.0}
        assert items.finish_all(batch.id, [1, 2, 3], "b1:1:1", ItemState.SUCCEEDED) == (1, 3)
        assert items.finish_all(batch.id, [1], "b1:1:1", ItemState.FAILED) == ()


def test_uploads_are_needed_until_the_items_that_name_them_have_ended(database: Database, batch: Batch) -> None:
    joined = {"edit.join": {"intro": "upload:intro"}}
    rows = [
        {"row": 5, "custom_id": "e", "recipe": "quick", "source": "upload:film", "overrides": joined},
        {"row": 6, "custom_id": "f", "recipe": "quick", "source": "upload:done", "state": ItemState.SUCCEEDED.value},
    ]
    asked = ["film", "intro", "done", "other"]
    with database.session() as session:
        items = BatchItemRepository(session)
        items.add(batch.id, rows)
        assert items.uploads_needed(asked) == {"film", "intro"}
        assert items.uploads_needed(["other"]) == items.uploads_needed([]) == frozenset()
        assert BatchRepository(session).move(batch.id, BatchState.CANCELLED, allowed_from=[BatchState.RUNNING])
        assert items.uploads_needed(asked) == frozenset()
