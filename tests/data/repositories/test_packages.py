from data.database import Database
from data.repositories import ArtifactRepository, AssetRepository, PackageRepository
from tests.data.samples import sample_asset, sample_package


def test_a_package_is_found_by_its_cache_key_until_it_is_forgotten(database: Database) -> None:
    asset = sample_asset()
    package = sample_package(asset)
    for _ in range(2):
        with database.session() as session:
            AssetRepository(session).record(asset)
            PackageRepository(session).record(package)

    with database.session() as session:
        assert PackageRepository(session).get(package.key) == package
        assert PackageRepository(session).get("another") is None
        PackageRepository(session).forget(package.key)
    with database.session() as session:
        assert PackageRepository(session).get(package.key) is None


def test_an_artifact_is_found_by_its_kind_and_cache_key(database: Database) -> None:
    asset = sample_asset()
    with database.session() as session:
        AssetRepository(session).record(asset)
        artifacts = ArtifactRepository(session)
        artifacts.record(asset.id, "captions", "k1", prefix="a/", details={"words": [1, "ü"]}, job_id="job")
        artifacts.record(asset.id, "captions", "k1", prefix="b/", details={})
        artifacts.record(asset.id, "chapters", "k1", prefix="c/", details={})

    with database.session() as session:
        found = ArtifactRepository(session).get(asset.id, "captions", "k1")
        assert found is not None
        assert (found.prefix, found.details, found.job_id) == ("a/", {"words": [1, "ü"]}, "job")
        assert ArtifactRepository(session).get(asset.id, "captions", "k2") is None
        assert {each.kind for each in ArtifactRepository(session).of_asset(asset.id)} == {"captions", "chapters"}
