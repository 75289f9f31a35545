"""Unused work goes in two rounds, used work stays, and what attempts left goes too."""

from datetime import UTC, datetime, timedelta

import pytest

from data.database import Database
from data.domain.keys import artifact_prefix, package_pieces_prefix, package_prefix, package_record_key
from data.domain.publications import Package
from data.repositories import ArtifactRepository, AssetRepository, PackageRepository
from data.storage import ObjectStore
from tasks.retention.caches import expire_artifacts, expire_packages
from tasks.retention.rounds import Ages, Deleted
from tests.data.samples import sample_asset, sample_package

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
AGES = Ages(versions=None, attempts=DAY, caches=30 * DAY, uploads=None, results=None)
ASSET = sample_asset()
KEY = "k" * 24


@pytest.fixture
def package(store: ObjectStore, database: Database) -> Package:
    made = sample_package(ASSET, KEY)
    store.put_bytes(b"bytes", f"{made.prefix}720p.mp4")
    store.put_bytes(made.model_dump_json().encode(), package_record_key(ASSET.id, KEY))
    with database.session() as session:
        AssetRepository(session).record(ASSET)
        PackageRepository(session).record(made)
    return made


def expire(store: ObjectStore, database: Database, days: float, *, in_use: bool = False, ages: Ages = AGES) -> Deleted:
    deleted = Deleted()
    for kind in (expire_packages, expire_artifacts):
        kind(store, database, ASSET.id[0], ages, NOW + days * DAY, lambda _asset: in_use, deleted)
    return deleted


def keys(store: ObjectStore) -> list[str]:
    return [stored.key for stored in store.list()]


def test_an_unused_package_is_forgotten_first_and_its_files_go_later(
    store: ObjectStore, database: Database, package: Package
) -> None:
    assert expire(store, database, 29).counts == {}

    assert expire(store, database, 31).counts == {"packages": 1}
    assert keys(store) == [f"{package.prefix}720p.mp4"]
    assert expire(store, database, 32).counts == {"attempts": 1}
    assert keys(store) == []
    with database.session() as session:
        assert PackageRepository(session).get(KEY) is None


def test_the_files_of_a_package_that_a_job_has_just_found_stay(
    store: ObjectStore, database: Database, package: Package
) -> None:
    before = keys(store)

    assert expire(store, database, 31, in_use=True).counts == {}
    assert keys(store) == before


def test_an_attempt_that_no_record_names_goes_and_the_named_one_stays(
    store: ObjectStore, database: Database, package: Package
) -> None:
    dead = package_prefix(ASSET.id, KEY, "two")
    unfinished = package_prefix(ASSET.id, "u" * 24, "one")
    for prefix in (dead, unfinished):
        store.put_bytes(b"half", f"{prefix}720p.mp4")

    assert expire(store, database, 0.5).counts == {}
    assert expire(store, database, 2).counts == {"attempts": 2}
    assert keys(store) == [package_record_key(ASSET.id, KEY), f"{package.prefix}720p.mp4"]


def test_artifacts_expire_like_packages_and_half_made_ones_after_a_day(store: ObjectStore, database: Database) -> None:
    whole, half = artifact_prefix(ASSET.id, "captions", "w"), artifact_prefix(ASSET.id, "poster", "h")
    for key in (f"{whole}captions.vtt", f"{whole}record.json", f"{half}poster.jpg"):
        store.put_bytes(b"bytes", key)
    with database.session() as session:
        AssetRepository(session).record(ASSET)
        ArtifactRepository(session).record(ASSET.id, "captions", "w", prefix=whole, details={})

    assert expire(store, database, 2).counts == {"attempts": 1}
    assert keys(store) == [f"{whole}captions.vtt", f"{whole}record.json"]
    assert expire(store, database, 31).counts == {"artifacts": 1}
    with database.session() as session:
        assert ArtifactRepository(session).get(ASSET.id, "captions", "w") is None
    assert expire(store, database, 32).counts == {"attempts": 1}
    assert keys(store) == []


def test_nothing_goes_when_it_is_to_be_kept_for_ever(store: ObjectStore, database: Database, package: Package) -> None:
    for_ever = Ages(versions=None, attempts=None, caches=None, uploads=None, results=None)

    assert expire(store, database, 10_000, ages=for_ever).counts == {}


def test_chunks_of_a_job_that_never_came_back_go_with_its_other_attempts(
    store: ObjectStore, database: Database, package: Package
) -> None:
    chunks = package_pieces_prefix(ASSET.id, "j" * 24)
    store.put_bytes(b"bytes", f"{chunks}sound/0/sound.mp4")
    store.put_bytes(b"{}", f"{chunks}sound/record.json")

    assert expire(store, database, 0.5).counts == {}
    assert expire(store, database, 2, in_use=True).counts == {}
    assert expire(store, database, 2).counts == {"attempts": 1}
    assert keys(store) == sorted([f"{package.prefix}720p.mp4", package_record_key(ASSET.id, KEY)])
