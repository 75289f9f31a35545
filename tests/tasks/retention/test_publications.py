"""Old versions and dead attempts go; not one file of what is public ever does."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from data.database import Database
from data.domain.errors import StoreUnavailableError
from data.domain.keys import publication_manifest_key, publication_prefix
from data.domain.publications import PublicationManifest
from data.publishing import current_publication, is_whole
from data.repositories import AssetRepository, PublicationRepository
from data.storage import ObjectStore
from tasks.retention.publications import expire_publications
from tasks.retention.rounds import Ages, Deleted
from tests.data.samples import sample_asset, sample_manifest

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
ASSET = sample_asset()
AGES = Ages(versions=7 * DAY, attempts=DAY, caches=None, uploads=None, results=None)
AT_ONCE = Ages(versions=timedelta(0), attempts=timedelta(0), caches=None, uploads=None, results=None)
FOR_EVER = Ages(versions=None, attempts=None, caches=None, uploads=None, results=None)


def write(store: ObjectStore, manifest: PublicationManifest) -> None:
    for path, size in manifest.files.items():
        store.put_bytes(b"x" * size, manifest.prefix + path)


def version(number: int, *, published_at: datetime = NOW, job: str = "") -> PublicationManifest:
    files = {"master.m3u8": 10, "720p/init.mp4": 20, "720p/1.m4s": 30}
    sample = sample_manifest(ASSET, number, job or f"job-{number:04d}")
    return sample.model_copy(update={"files": files, "published_at": published_at})


def publish(
    store: ObjectStore, database: Database, manifest: PublicationManifest, *, recorded: bool = True
) -> PublicationManifest:
    write(store, manifest)
    _, etag = current_publication(store, ASSET.id)
    store.compare_and_swap(publication_manifest_key(ASSET.id), manifest.model_dump_json().encode(), etag)
    with database.session() as session:
        AssetRepository(session).record(ASSET)
        if recorded:
            PublicationRepository(session).record(manifest)
    return manifest


def expire(
    store: ObjectStore, database: Database, ages: Ages = AGES, *, now: datetime = NOW, is_in_use: object = None
) -> Deleted:
    deleted = Deleted()
    asked = is_in_use or (lambda _asset: False)
    expire_publications(store, database, ASSET.id[0], ages, now, asked, deleted)  # type: ignore[arg-type]
    return deleted


def versions_there(store: ObjectStore) -> set[str]:
    return {stored.key.split("/")[2] for stored in store.list(f"publications/{ASSET.id}/v")}


def test_a_version_goes_when_another_took_its_place_long_enough_ago(store: ObjectStore, database: Database) -> None:
    first, second, third = (
        publish(store, database, version(number, published_at=NOW - days * DAY))
        for number, days in ((1, 30), (2, 8), (3, 1))
    )

    deleted = expire(store, database)

    assert deleted.counts == {"versions": 1}
    assert deleted.size_bytes == 60
    assert versions_there(store) == {each.prefix.split("/")[2] for each in (second, third)}
    assert is_whole(store, second)
    assert is_whole(store, third)
    with database.session() as session:
        publications = PublicationRepository(session)
        assert [each.version for each in publications.versions(ASSET.id)] == [3, 2]
        assert publications.of_job(first.job_id) == first
    assert expire(store, database).counts == {}


def test_what_is_public_stays_however_old_it_is(store: ObjectStore, database: Database) -> None:
    only = publish(store, database, version(1, published_at=NOW - 1000 * DAY))

    assert expire(store, database, AT_ONCE, now=NOW + 1000 * DAY).counts == {}
    assert is_whole(store, only)


def test_nothing_goes_when_it_is_to_be_kept_for_ever(store: ObjectStore, database: Database) -> None:
    for number in (1, 2):
        publish(store, database, version(number, published_at=NOW - 900 * DAY))
    write(store, version(3, job="dead-job"))

    assert expire(store, database, FOR_EVER, now=NOW + 1000 * DAY).counts == {}


def test_files_of_a_dead_attempt_go_after_a_day(store: ObjectStore, database: Database) -> None:
    public = publish(store, database, version(1))
    write(store, version(2, job="dead-job"))

    assert expire(store, database, now=NOW + DAY / 2).counts == {}
    assert expire(store, database, now=NOW + 2 * DAY).counts == {"attempts": 1}
    assert versions_there(store) == {public.prefix.split("/")[2]}
    assert is_whole(store, public)


def test_an_asset_that_a_living_job_works_on_is_left_alone(store: ObjectStore, database: Database) -> None:
    for number in (1, 2):
        publish(store, database, version(number, published_at=NOW - 30 * DAY))
    write(store, version(3, job="writing-now"))

    deleted = expire(store, database, AT_ONCE, now=NOW + 9 * DAY, is_in_use=lambda asset: asset == ASSET.id)

    assert deleted.counts == {}


def test_what_becomes_public_at_the_last_moment_stays(store: ObjectStore, database: Database) -> None:
    publish(store, database, version(1))
    late = version(2, job="latecomer")
    write(store, late)

    def publishes(_asset: str) -> bool:
        publish(store, database, late, recorded=False)
        return False

    deleted = expire(store, database, AGES, now=NOW + 2 * DAY, is_in_use=publishes)

    assert deleted.counts == {}
    assert current_publication(store, ASSET.id)[0] == late
    assert is_whole(store, late)


def test_a_version_that_the_catalogue_does_not_know_yet_stays_while_it_is_public(
    store: ObjectStore, database: Database
) -> None:
    publish(store, database, version(1, published_at=NOW - 30 * DAY))
    unrecorded = publish(store, database, version(2), recorded=False)

    expire(store, database, AT_ONCE, now=NOW + 9 * DAY)

    assert is_whole(store, unrecorded)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_lies_about_the_public_version_stays_whole(store: ObjectStore, database: Database, seed: int) -> None:
    dice = random.Random(seed)
    public = None
    for number in range(1, dice.randint(3, 6)):
        made = version(number, published_at=NOW - dice.randint(0, 40) * DAY, job=f"{dice.random()}")
        if dice.random() < 0.6 or number == 1:
            public = publish(store, database, made, recorded=dice.random() < 0.7)
        else:
            write(store, made)
    assert public is not None
    neighbour = publication_prefix(ASSET.id, public.version, public.job_id)[:-1] + "0/master.m3u8"
    store.put_bytes(b"another attempt at the same version, by a job with almost the same id", neighbour)

    for days in (0, 2, 50):
        ages = dice.choice([AGES, AT_ONCE])
        expire(store, database, ages, now=NOW + days * DAY)
        assert current_publication(store, ASSET.id)[0] == public
        assert is_whole(store, public)


class _DyingStore:
    """The real store, until a number of trees was asked to go."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def delete_tree(self, prefix: str) -> int:
        self._store.delete(next(iter(self._store.list(prefix))).key)
        raise StoreUnavailableError("The machine died on purpose, half way.")

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_a_round_that_was_killed_half_way_is_finished_by_the_next(store: ObjectStore, database: Database) -> None:
    for number, days in ((1, 30), (2, 20)):
        last = publish(store, database, version(number, published_at=NOW - days * DAY))
    with pytest.raises(StoreUnavailableError):
        expire(_DyingStore(store), database)  # type: ignore[arg-type]

    assert expire(store, database).counts == {"versions": 1}
    assert versions_there(store) == {last.prefix.split("/")[2]}
