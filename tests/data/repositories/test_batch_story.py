from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from data.database import Database
from data.domain.batches import Batch, BatchOptions, BatchReason, BatchState
from data.domain.nights import CanaryOutcome
from data.repositories import (
    AssetRepository,
    BatchItemRepository,
    BatchRepository,
    BatchStoryRepository,
    PublicationRepository,
    StepCost,
    StepCostRepository,
)
from data.tables import BatchItemRow, StepCostRow
from tests.data.samples import sample_asset, sample_manifest

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LIVE = [BatchState.PLANNED, BatchState.RUNNING, BatchState.PAUSED]


@pytest.fixture
def batch(database: Database) -> Batch:
    values: dict[str, Any] = {"id": "b1", "name": "n", "manifest_uri": "/m.csv", "state": "planned", "created_at": NOW}
    batch = Batch(**values, options=BatchOptions(canary_items=2))
    with database.session() as session:
        BatchRepository(session).create(batch)
    return batch


def move(database: Database, to: str, reason: BatchReason | None = None) -> Batch:
    with database.session() as session:
        BatchRepository(session).move("b1", BatchState(to), allowed_from=LIVE, reason=reason)
        return BatchRepository(session).get("b1")


def test_pauses_are_told_by_the_moves_of_a_batch_that_had_begun(database: Database, batch: Batch) -> None:
    move(database, "paused", BatchReason.NIGHT_WINDOW)
    move(database, "running")
    for _ in range(3):  # a feed may say the same again
        move(database, "paused", BatchReason.REQUEST)
    move(database, "running")
    move(database, "paused", BatchReason.NIGHT_WINDOW)
    found = move(database, "cancelled")

    with database.session() as session:
        first, second = BatchStoryRepository(session, found).pauses()
    assert (first.reason, second.reason) == ("request", "night_window")
    assert first.ends_at is not None
    assert first.begins_at <= first.ends_at <= second.begins_at
    assert second.ends_at is None


def test_a_batch_that_never_began_has_no_pauses(database: Database, batch: Batch) -> None:
    found = move(database, "paused", BatchReason.NIGHT_WINDOW)

    with database.session() as session:
        assert BatchStoryRepository(session, found).pauses() == ()


def add_items(database: Database, *states: str, **values: Any) -> None:
    """Items that ended one after the other, the last row first."""
    rows = [
        {"row": row, "custom_id": f"c{row}", "recipe": "quick", "state": state, **values}
        for row, state in enumerate(states, start=1)
    ]
    with database.session() as session:
        BatchItemRepository(session).add("b1", rows)
        for row in range(1, len(states) + 1):
            ended = update(BatchItemRow).where(BatchItemRow.row == row)
            session.execute(ended.values(ended_at=NOW - timedelta(minutes=row)))


def test_the_canary_are_the_first_items_to_end(database: Database, batch: Batch) -> None:
    add_items(database, "succeeded", "succeeded", "failed", "succeeded", "skipped")

    with database.session() as session:
        story = BatchStoryRepository(session, batch)
        assert story.canary() == CanaryOutcome(items=2, failed=1, passed=True)
        stopped = batch.model_copy(update={"reason": BatchReason.CANARY_FAILED})
        assert BatchStoryRepository(session, stopped).canary() == CanaryOutcome(items=2, failed=1, passed=False)


def test_without_a_canary_or_before_an_item_has_ended_there_is_nothing_to_tell(
    database: Database, batch: Batch
) -> None:
    with database.session() as session:
        assert BatchStoryRepository(session, batch).canary() is None
        without = batch.model_copy(update={"options": BatchOptions()})
        assert BatchStoryRepository(session, without).canary() is None


def test_steps_are_told_by_the_batchs_videos_and_its_time(database: Database, batch: Batch) -> None:
    mine, other = sample_asset("mine"), sample_asset("other")
    with database.session() as session:
        for asset in (mine, other):
            AssetRepository(session).record(asset)
        costs = StepCostRepository(session)
        for step, asset, seconds in (("transcode", mine, 9.0), ("transcode", other, 5.0), ("publish", mine, 1.0)):
            costs.record(StepCost(step, "", 10.0, 1.0, seconds, 1, 1, asset.id))
        costs.record(StepCost("publish", "", 10.0, 1.0, 99.0, 1, 1))
        session.flush()
        session.execute(update(StepCostRow).values(recorded_at=NOW))
    add_items(database, "succeeded", "skipped", asset_id=mine.id)
    timed = batch.model_copy(update={"started_at": NOW - timedelta(hours=1), "ended_at": NOW})
    later = batch.model_copy(update={"started_at": NOW + timedelta(hours=1)})

    with database.session() as session:
        found = BatchStoryRepository(session, timed).step_actuals()
        assert [(each.step, each.items, each.machine_seconds) for each in found] == [
            ("transcode", 1, 9.0),
            ("publish", 1, 1.0),
        ]
        assert BatchStoryRepository(session, later).step_actuals() == ()
        assert BatchStoryRepository(session, batch).step_actuals() == ()


def test_many_publications_are_found_at_once(database: Database) -> None:
    one, two = sample_asset("one"), sample_asset("two")
    with database.session() as session:
        publications = PublicationRepository(session)
        for asset in (one, two):
            AssetRepository(session).record(asset)
            publications.record(sample_manifest(asset))
        publications.record(sample_manifest(one, version=2))
        publications.retract(two.id)
        wanted = [(one.id, 1), (one.id, 2), (one.id, 2), (one.id, 3), (two.id, 1), ("none", 1)]
        found = publications.find_all(wanted)
    assert found == {(one.id, 1): sample_manifest(one), (one.id, 2): sample_manifest(one, version=2)}
