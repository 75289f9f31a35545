from datetime import timedelta

from data.database import Database
from data.repositories import (
    AssetMeasures,
    AssetRepository,
    Fulfilment,
    FulfilmentRepository,
    PublicationRepository,
    SourceVersionRepository,
    StepCost,
    StepCostRepository,
)
from data.repositories.figures import read_figures
from data.repositories.history import RECENT_COSTS
from tests.data.samples import sample_asset, sample_manifest


def test_an_address_is_known_by_what_it_last_held(database: Database) -> None:
    first, second = sample_asset("one"), sample_asset("two")
    with database.session() as session:
        AssetRepository(session).record(first)
        AssetRepository(session).record(second)
        versions = SourceVersionRepository(session)
        versions.record("/in/a.mp4", "10:1", first.id)
        versions.record("/in/a.mp4", "11:2", second.id)
        known = versions.known(["/in/a.mp4", "/in/b.mp4", "/in/\udcff.mp4"])
    assert set(known) == {"/in/a.mp4"}
    assert (known["/in/a.mp4"].fingerprint, known["/in/a.mp4"].asset_id) == ("11:2", second.id)


def test_a_wish_is_fulfilled_while_its_version_is_public(database: Database) -> None:
    asset = sample_asset()
    with database.session() as session:
        AssetRepository(session).record(asset)
        PublicationRepository(session).record(sample_manifest(asset))
        fulfilments = FulfilmentRepository(session)
        fulfilments.record(asset.id, "key", 1)
        fulfilments.record(asset.id, "key", 1)
        wishes = [(asset.id, "key"), (asset.id, "other")]
        assert fulfilments.fulfilled(wishes) == {(asset.id, "key"): Fulfilment(1, is_latest=True)}
        PublicationRepository(session).record(sample_manifest(asset, version=2))
        assert fulfilments.fulfilled(wishes) == {(asset.id, "key"): Fulfilment(1, is_latest=False)}
        PublicationRepository(session).retract(asset.id)
        assert fulfilments.fulfilled([(asset.id, "key")]) == {}


def test_the_latest_costs_come_first(database: Database) -> None:
    with database.session() as session:
        costs = StepCostRepository(session)
        for seconds in (1.0, 2.0, 3.0):
            costs.record(StepCost("transcode", "fast", 10.0, 2.07, seconds, 100, 50))
        costs.record(StepCost("publish", "fast", 10.0, 2.07, 9.0, 100, 50))
        assert [each.machine_seconds for each in costs.recent("transcode", "fast", limit=2)] == [3.0, 2.0]
        assert costs.recent("transcode", "slow") == ()
        assert [each.machine_seconds for each in costs.recent_of_any("transcode", limit=2)] == [3.0, 2.0]


def test_costs_that_no_estimate_needs_are_forgotten_and_counted_all_the_same(database: Database) -> None:
    day, nothing = timedelta(days=1), timedelta(0)
    with database.session() as session:
        costs = StepCostRepository(session)
        for number in range(RECENT_COSTS + 5):
            costs.record(StepCost("transcode", "fast", 10.0, 2.0, float(number), 100, 50))
        costs.record(StepCost("transcode", "rare", 10.0, 2.0, 7.0, 100, 50))
    with database.session() as session:
        before = read_figures(session).steps
        costs = StepCostRepository(session)
        assert costs.forget(day, day, most=1000) == 0
        assert [costs.forget(nothing, day, most=3) for _ in range(3)] == [3, 2, 0]
        left = [each.machine_seconds for each in costs.recent("transcode", "fast", limit=1000)]
        assert sorted(left) == list(range(5, RECENT_COSTS + 5))
        assert len(costs.recent("transcode", "rare")) == 1
        assert read_figures(session).steps == before
        costs.forget(nothing, nothing, most=1000)
        assert costs.recent_of_any("transcode") == ()
        assert read_figures(session).steps == before
    assert before["transcode"].count == RECENT_COSTS + 6


def test_what_plans_need_of_assets_is_read_for_many_at_once(database: Database) -> None:
    one, two = sample_asset("one"), sample_asset("two")
    with database.session() as session:
        AssetRepository(session).record(one)
        AssetRepository(session).record(two)
        measures = AssetRepository(session).measures([one.id, two.id, "none"])
    assert measures == {
        asset.id: AssetMeasures(asset.sha256, 10.5, 1280 * 720 / 1e6, 6_000_000_000) for asset in (one, two)
    }
