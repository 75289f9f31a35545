from data.database import Database
from data.repositories import (
    AssetRepository,
    FulfilmentRepository,
    PublicationRepository,
    SourceVersionRepository,
    StepCost,
    StepCostRepository,
)
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
        assert fulfilments.fulfilled([(asset.id, "key"), (asset.id, "other")]) == {(asset.id, "key"): 1}
        PublicationRepository(session).retract(asset.id)
        assert fulfilments.fulfilled([(asset.id, "key")]) == {}


def test_the_latest_costs_come_first(database: Database) -> None:
    with database.session() as session:
        costs = StepCostRepository(session)
        for seconds in (1.0, 2.0, 3.0):
            costs.record(StepCost("transcode", "default", 10.0, 2.07, seconds, 100, 50))
        assert [each.machine_seconds for each in costs.recent("transcode", "default", limit=2)] == [3.0, 2.0]
        assert costs.recent("transcode", "quick") == ()
