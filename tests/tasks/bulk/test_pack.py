from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.database import Database
from data.domain.batches import Batch, BatchItem, BatchOptions, BatchState, ItemState
from data.domain.errors import CancelledByRequestError, CorruptInputError, DailiesError, DiskFullError, ToolMissingError
from data.repositories import AssetRepository, BatchItemRepository, BatchRepository
from tasks.bulk.pack import Pack
from tests.data.samples import sample_asset
from tests.fakes.catalogues import make_catalogue

KEY = "b:1:1"


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    make_catalogue(url)
    database = Database(url)
    batch = Batch(
        id="b",
        name="Monday",
        manifest_uri="/m.csv",
        options=BatchOptions(item_attempts=2),
        state=BatchState.RUNNING,
        rows=3,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    rows = [{"row": row, "custom_id": str(row), "recipe": "rehearsal" if row == 3 else "quick"} for row in (1, 2, 3)]
    with database.session() as session:
        BatchRepository(session).create(batch)
        BatchItemRepository(session).add("b", rows)
        BatchItemRepository(session).claim("b", [1, 2, 3], KEY)
    yield database
    database.close()


@pytest.fixture
def pack(catalogue: Database) -> Pack:
    return Pack.open(catalogue, "b", KEY)


def item(database: Database, row: int) -> BatchItem:
    with database.session() as session:
        found = BatchItemRepository(session).get("b", row)
    assert found is not None
    return found


def test_a_pack_holds_the_items_of_its_run_that_have_not_ended(catalogue: Database, pack: Pack) -> None:
    pack.succeed_all(pack.items[:1])

    again = Pack.open(catalogue, "b", KEY)

    assert [each.row for each in pack.items] == [1, 2, 3]
    assert [each.row for each in again.items] == [2, 3]
    assert [each.row for each in again.of_recipes({"rehearsal"}).items] == [3]


def test_an_item_succeeds_with_its_publication_and_its_cost(catalogue: Database, pack: Pack) -> None:
    asset = sample_asset()
    with catalogue.session() as session:
        AssetRepository(session).record(asset)
    assert pack.begin(pack.items[0], "publish")

    pack.succeed(pack.items[0], asset.id, version=3, cost=0.5)

    ended = item(catalogue, 1)
    assert (ended.state, ended.asset_id, ended.version, ended.cost) == (ItemState.SUCCEEDED, asset.id, 3, 0.5)
    with catalogue.session() as session:
        assert BatchRepository(session).get("b").spent == 0.5


def test_a_failure_ends_an_item_with_its_own_words_in_the_step_that_it_was_in(catalogue: Database, pack: Pack) -> None:
    pack.begin(pack.items[0], "transcode")

    assert pack.fail(pack.items[0], CorruptInputError("Cut off."), cost=0.25)

    ended = item(catalogue, 1)
    assert (ended.state, ended.step, ended.failure_class, ended.code) == (
        ItemState.FAILED,
        "transcode",
        "DATA",
        "DATA.INPUT.CORRUPT",
    )
    assert (ended.message, ended.cost) == ("Cut off.", 0.25)


@pytest.mark.parametrize("error", [DiskFullError("full"), ValueError("a mistake of ours")])
def test_an_item_is_given_back_when_the_machine_is_at_fault(catalogue: Database, pack: Pack, error: Exception) -> None:
    assert not pack.fail(pack.items[0], error, cost=0.0)
    assert item(catalogue, 1).state is ItemState.PENDING

    with catalogue.session() as session:
        BatchItemRepository(session).claim("b", [1], "b:1:2")
    last = Pack.open(catalogue, "b", "b:1:2")

    assert last.fail(last.items[0], error, cost=0.0)
    assert item(catalogue, 1).failure_class == "INFRA"


@pytest.mark.parametrize(
    ("error", "state"),
    [(ToolMissingError("no ffmpeg"), ItemState.FAILED), (CancelledByRequestError("stop"), ItemState.CANCELLED)],
)
def test_what_another_attempt_cannot_help_ends_at_once(
    catalogue: Database, pack: Pack, error: DailiesError, state: ItemState
) -> None:
    assert pack.fail(pack.items[0], error, cost=0.0)
    assert item(catalogue, 1).state is state


def test_an_item_that_was_taken_away_is_not_touched_any_more(catalogue: Database, pack: Pack) -> None:
    with catalogue.session() as session:
        items = BatchItemRepository(session)
        items.finish("b", 1, KEY, ItemState.CANCELLED, reason="request")
        items.release(KEY, [2])

    assert not pack.begin(pack.items[0], "ingest")
    assert [each.row for each in pack.begin_all(pack.items, "ingest")] == [3]
    pack.fail(pack.items[0], CorruptInputError("late"), cost=0.0)
    pack.succeed_all(pack.items)

    assert [item(catalogue, row).state for row in (1, 2, 3)] == [
        ItemState.CANCELLED,
        ItemState.PENDING,
        ItemState.SUCCEEDED,
    ]
