import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from data.database import Database
from data.domain.assets import Asset
from data.domain.errors import InvalidRequestError, NotFoundError
from data.repositories import AssetRepository
from tests.data.samples import sample_asset


def record(database: Database, *assets: Asset) -> None:
    for asset in assets:
        with database.session() as session:
            AssetRepository(session).record(asset)


def test_an_asset_comes_back_as_it_was_recorded(database: Database) -> None:
    asset = sample_asset()
    record(database, asset)

    with database.session() as session:
        entry = AssetRepository(session).entry(asset.id)
    assert entry.asset == asset
    assert entry.created_at.tzinfo is UTC
    assert abs(entry.created_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_the_same_bytes_again_are_the_same_asset_under_its_first_name(database: Database) -> None:
    record(database, sample_asset(name="first.mp4"), sample_asset(name="second.mp4"))

    with database.session() as session:
        [entry] = AssetRepository(session).list().items
    assert entry.asset.original_name == "first.mp4"


def test_two_who_record_the_same_asset_at_once_do_not_disturb_each_other(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: record(database, sample_asset()), range(16)))

    with database.session() as session:
        assert len(AssetRepository(session).list().items) == 1


def test_an_unknown_asset_is_not_found(database: Database) -> None:
    for asset_id in ("unknown", "", "nul\0", "\udcff"):
        with pytest.raises(NotFoundError), database.session() as session:
            AssetRepository(session).get(asset_id)


def test_names_that_a_database_cannot_hold_are_made_storable(database: Database) -> None:
    record(database, sample_asset(name="a\0b.mp4"))

    with database.session() as session:
        assert AssetRepository(session).get(sample_asset().id).original_name == "ab.mp4"


def test_pages_show_every_asset_once_newest_first(database: Database) -> None:
    assets = [sample_asset(str(number)) for number in range(7)]
    record(database, *assets)

    seen: list[str] = []
    sizes: list[int] = []
    cursor = None
    while True:
        with database.session() as session:
            page = AssetRepository(session).list(limit=3, after=cursor)
        seen += [entry.asset.id for entry in page.items]
        sizes.append(len(page.items))
        cursor = page.next
        if cursor is None:
            break

    assert seen == [asset.id for asset in reversed(assets)]
    assert sizes == [3, 3, 1]


def test_a_full_last_page_says_that_it_is_the_last(database: Database) -> None:
    record(database, sample_asset("1"), sample_asset("2"))

    with database.session() as session:
        assert AssetRepository(session).list(limit=2).next is None


@pytest.mark.parametrize(
    "cursor", ["", "rubbish", "====", "ü", *(base64.urlsafe_b64encode(x).decode() for x in (b"x", b"2026-01-01 x y"))]
)
def test_a_cursor_that_no_page_gave_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidRequestError), database.session() as session:
        AssetRepository(session).list(after=cursor)


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_page_has_a_sane_size(database: Database, limit: int) -> None:
    with pytest.raises(InvalidRequestError), database.session() as session:
        AssetRepository(session).list(limit=limit)


def test_the_assets_of_many_jobs_are_found_in_one_question(database: Database) -> None:
    one, two = sample_asset("1"), sample_asset("2")
    record(database, one, two)
    with database.session() as session:
        for job, asset in (("job-1", one), ("job-2", two), ("job-3", one), ("job-4", two)):
            AssetRepository(session).bind_job(job, asset.id)

    with database.session() as session:
        found = AssetRepository(session).assets_of_jobs(["job-3", "job-2", "job-1", "another", "nul\0"])
        nothing = AssetRepository(session).assets_of_jobs([])
    assert found == {"job-1": one.id, "job-2": two.id, "job-3": one.id}
    assert nothing == {}


def test_a_job_is_bound_to_its_asset_and_a_retry_may_bind_it_again(database: Database) -> None:
    one, two = sample_asset("1"), sample_asset("2")
    record(database, one, two)

    with database.session() as session:
        AssetRepository(session).bind_job("job", one.id)
        AssetRepository(session).bind_job("job", one.id)
    with database.session() as session:
        assert AssetRepository(session).asset_of_job("job") == one.id
        AssetRepository(session).bind_job("job", two.id)
    with database.session() as session:
        assert AssetRepository(session).asset_of_job("job") == two.id
        assert AssetRepository(session).asset_of_job("another") is None


def test_an_asset_is_seen_by_everybody_whose_it_is(database: Database) -> None:
    one, two = sample_asset("one"), sample_asset("two")
    with database.session() as session:
        assets = AssetRepository(session)
        for asset in (one, two):
            assets.record(asset)
        assets.bind_job("job of ann", one.id, "ann")
        assets.bind_job("job of ann again", one.id, "ann")
        assets.bind_job("job of bob", one.id, "bob")
        assets.own([two.id], "bob")

    with database.session() as session:
        assets = AssetRepository(session)
        assert [entry.asset.id for entry in assets.list(owner="ann").items] == [one.id]
        assert {entry.asset.id for entry in assets.list(owner="bob").items} == {one.id, two.id}
        assert assets.owned([one.id, two.id, "none"], "ann") == {one.id}
        assert assets.get(one.id, "ann") == one
        with pytest.raises(NotFoundError):
            assets.get(two.id, "ann")
