import pytest
from sqlalchemy import select

from data.database import Database
from data.domain.assets import Asset
from data.domain.errors import PublicationConflictError
from data.repositories import AssetRepository, PublicationRepository
from data.tables import RenditionRow
from tests.data.samples import sample_asset, sample_manifest


@pytest.fixture
def asset(database: Database) -> Asset:
    with database.session() as session:
        AssetRepository(session).record(sample_asset())
    return sample_asset()


def test_a_publication_comes_back_as_its_manifest(database: Database, asset: Asset) -> None:
    with database.session() as session:
        PublicationRepository(session).record(sample_manifest(asset))

    with database.session() as session:
        assert PublicationRepository(session).latest(asset.id) == sample_manifest(asset)
        assert PublicationRepository(session).of_job("job-1") == sample_manifest(asset)


def test_nothing_is_public_before_the_first_publication(database: Database, asset: Asset) -> None:
    with database.session() as session:
        assert PublicationRepository(session).latest(asset.id) is None
        assert PublicationRepository(session).of_job("job-1") is None


def test_recording_the_same_version_again_changes_nothing(database: Database, asset: Asset) -> None:
    for _ in range(2):
        with database.session() as session:
            PublicationRepository(session).record(sample_manifest(asset))

    with database.session() as session:
        assert len(PublicationRepository(session).versions(asset.id)) == 1
        assert len(session.scalars(select(RenditionRow)).all()) == 2


def test_another_job_cannot_take_a_version_that_is_there(database: Database, asset: Asset) -> None:
    with database.session() as session:
        PublicationRepository(session).record(sample_manifest(asset, job="job-1"))

    with pytest.raises(PublicationConflictError), database.session() as session:
        PublicationRepository(session).record(sample_manifest(asset, job="job-2"))


def test_the_latest_version_is_the_highest_one(database: Database, asset: Asset) -> None:
    for version in (2, 10, 9):
        with database.session() as session:
            PublicationRepository(session).record(sample_manifest(asset, version, f"job-{version}"))

    with database.session() as session:
        latest = PublicationRepository(session).latest(asset.id)
        versions = PublicationRepository(session).versions(asset.id)
    assert latest is not None
    assert latest.version == 10
    assert [each.version for each in versions] == [10, 9, 2]


def test_a_version_is_found_by_its_number(database: Database, asset: Asset) -> None:
    with database.session() as session:
        PublicationRepository(session).record(sample_manifest(asset, 1, "job-1"))
        PublicationRepository(session).record(sample_manifest(asset, 2, "job-2"))

    with database.session() as session:
        publications = PublicationRepository(session)
        assert publications.find(asset.id, 1) == sample_manifest(asset, 1, "job-1")
        assert [publications.find(asset.id, version) for version in (3, 0, -1, 2**31, 2**80)] == [None] * 5
        assert publications.find("unknown", 1) is None
        publications.retract(asset.id)
    with database.session() as session:
        assert PublicationRepository(session).find(asset.id, 1) is None


def test_what_is_retracted_is_no_longer_public_but_its_job_still_knows_it(database: Database, asset: Asset) -> None:
    with database.session() as session:
        PublicationRepository(session).record(sample_manifest(asset, 1))
        PublicationRepository(session).record(sample_manifest(asset, 2))

    with database.session() as session:
        assert PublicationRepository(session).retract(asset.id) == 2
        assert PublicationRepository(session).retract(asset.id) == 0
    with database.session() as session:
        assert PublicationRepository(session).latest(asset.id) is None
        assert PublicationRepository(session).of_job("job-1") == sample_manifest(asset, 2)
