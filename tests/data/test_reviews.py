"""A person decides: each decision once, whole, and alike however often it is asked for."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.database import Database
from data.domain.assets import Asset
from data.domain.candidates import CandidateState
from data.domain.errors import (
    IllegalMoveError,
    NotFoundError,
    ObjectMissingError,
    PublicationConflictError,
    StoreUnavailableError,
)
from data.domain.findings import Decision
from data.domain.publications import PublicationManifest
from data.publishing import standing, switch
from data.repositories import AssetRepository, CandidateRepository, FulfilmentRepository, PublicationRepository
from data.reviews import approve, reject, take_down
from data.search.index import SearchIndex, put_in
from data.storage import ObjectStore, open_store
from tests.data.samples import sample_asset, sample_manifest
from tests.fakes.failing_store import FailingStore

ASSET = sample_asset()
ANN = Decision(by="Ann", at=datetime(2026, 5, 1, 8, tzinfo=UTC), reason="It is a cartoon.")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path / 'store'}")


@pytest.fixture
def asset(database: Database) -> Asset:
    with database.session() as session:
        AssetRepository(session).record(ASSET)
    return ASSET


def version(store: ObjectStore, number: int, job: str, title: str, held: str = "") -> PublicationManifest:
    """A version whose files are in the store."""
    manifest = sample_manifest(ASSET, number, job)
    files = {"video.mp4": 5, "poster.jpg": 6}
    for path, size in files.items():
        store.put_bytes(b"x" * size, manifest.prefix + path)
    return manifest.model_copy(update={"files": files, "title": title, "held_because": held, "content_key": job})


def publish(store: ObjectStore, database: Database, job: str = "public-1", title: str = "Old pelican") -> int:
    now = standing(store, ASSET.id)
    manifest = version(store, now.next_version, job, title)
    switch(store, manifest, now.etag)
    with database.session() as session:
        PublicationRepository(session).record(manifest)
        put_in(session, manifest, None)
    return manifest.version


def hold(store: ObjectStore, database: Database, job: str = "held-1", title: str = "New flamingo") -> None:
    now = standing(store, ASSET.id)
    manifest = version(store, now.next_version, job, title, held="Moderation scored it 0.91.")
    with database.session() as session:
        CandidateRepository(session).wait(manifest, f"work-{job}", manifest.held_because)
        put_in(session, manifest, None)


def found(database: Database, words: str) -> list[str]:
    return [hit.title for hit in SearchIndex(database).search(words)]


def public_title(store: ObjectStore) -> str | None:
    manifest = standing(store, ASSET.id).manifest
    return manifest.title if manifest else None


def test_what_waits_is_neither_public_nor_found_until_it_is_approved(
    store: ObjectStore, database: Database, asset: Asset
) -> None:
    publish(store, database)
    hold(store, database)
    assert public_title(store) == "Old pelican"
    assert (found(database, "pelican"), found(database, "flamingo")) == (["Old pelican"], [])

    manifest = approve(store, database, asset.id, ANN)

    assert public_title(store) == "New flamingo"
    assert (manifest.version, manifest.approval) == (2, ANN)
    assert (found(database, "pelican"), found(database, "flamingo")) == ([], ["New flamingo"])
    with database.session() as session:
        assert PublicationRepository(session).latest(asset.id) == manifest
        assert (asset.id, "work-held-1") in FulfilmentRepository(session).fulfilled([(asset.id, "work-held-1")])
        decided = CandidateRepository(session).of_job("held-1")
    assert decided is not None
    assert (decided.state, decided.decided_by, decided.decision) == (CandidateState.APPROVED, "Ann", ANN.reason)


def test_to_approve_twice_is_to_approve_once(store: ObjectStore, database: Database, asset: Asset) -> None:
    hold(store, database)

    first = approve(store, database, asset.id, ANN)
    second = approve(store, database, asset.id, ANN.model_copy(update={"by": "Bob"}))

    assert first == second


def test_an_approval_that_died_before_the_catalogue_knew_is_completed_by_the_next(
    store: ObjectStore, database: Database, asset: Asset
) -> None:
    hold(store, database)
    with database.session() as session:
        waiting = CandidateRepository(session).waiting(asset.id)
    assert waiting is not None
    out = waiting.manifest.model_copy(update={"version": 1, "approval": ANN})
    switch(store, out, None)

    assert approve(store, database, asset.id, ANN) == out

    with database.session() as session:
        assert PublicationRepository(session).latest(asset.id) == out
        assert CandidateRepository(session).waiting(asset.id) is None


def test_a_store_that_fails_leaves_the_candidate_waiting(store: ObjectStore, database: Database, asset: Asset) -> None:
    publish(store, database)
    hold(store, database)

    with pytest.raises(StoreUnavailableError):
        approve(FailingStore(store, fails_at=1), database, asset.id, ANN)

    assert public_title(store) == "Old pelican"
    assert approve(store, database, asset.id, ANN).version == 2


def test_only_the_candidate_that_was_looked_at_is_published(
    store: ObjectStore, database: Database, asset: Asset
) -> None:
    hold(store, database)
    hold(store, database, job="held-2")

    with pytest.raises(IllegalMoveError, match="held-2"):
        approve(store, database, asset.id, ANN, job_id="held-1")
    approve(store, database, asset.id, ANN, job_id="held-2")
    with database.session() as session:
        overtaken = CandidateRepository(session).of_job("held-1")
    assert overtaken is not None
    assert overtaken.state is CandidateState.SUPERSEDED


def test_what_was_rejected_is_not_published_and_nothing_else_changes(
    store: ObjectStore, database: Database, asset: Asset
) -> None:
    publish(store, database)
    hold(store, database)

    rejected = reject(database, asset.id, ANN, "held-1")

    assert rejected.state is CandidateState.REJECTED
    assert reject(database, asset.id, ANN, "held-1") == rejected
    assert public_title(store) == "Old pelican"
    with pytest.raises(IllegalMoveError):
        approve(store, database, asset.id, ANN)


def test_a_candidate_without_its_files_is_not_published(store: ObjectStore, database: Database, asset: Asset) -> None:
    hold(store, database)
    store.delete(sample_manifest(ASSET, 1, "held-1").prefix + "video.mp4")

    with pytest.raises(ObjectMissingError):
        approve(store, database, asset.id, ANN)


def test_what_is_taken_down_is_gone_for_viewers_and_its_number_is_not_given_again(
    store: ObjectStore, database: Database, asset: Asset
) -> None:
    publish(store, database)

    first = take_down(store, database, asset.id, ANN, version=1)
    again = take_down(store, database, asset.id, ANN.model_copy(update={"by": "Bob"}), version=1)

    assert first == again
    assert standing(store, asset.id).manifest is None
    assert found(database, "pelican") == []
    with database.session() as session:
        assert PublicationRepository(session).latest(asset.id) is None
    assert publish(store, database, job="public-2") == 2


def test_another_version_than_the_one_looked_at_stays(store: ObjectStore, database: Database, asset: Asset) -> None:
    publish(store, database)
    publish(store, database, job="public-2", title="Newer")

    with pytest.raises(IllegalMoveError):
        take_down(store, database, asset.id, ANN, version=1)

    assert public_title(store) == "Newer"


def test_a_switch_in_between_is_a_conflict_not_a_loss(store: ObjectStore, database: Database, asset: Asset) -> None:
    publish(store, database)
    before = standing(store, asset.id)
    publish(store, database, job="public-2", title="Newer")

    with pytest.raises(PublicationConflictError):
        switch(store, version(store, 2, "late", "Late"), before.etag)

    assert public_title(store) == "Newer"


def test_there_is_nothing_to_decide_where_nothing_is(store: ObjectStore, database: Database, asset: Asset) -> None:
    for decide in (lambda: approve(store, database, asset.id, ANN), lambda: reject(database, asset.id, ANN)):
        with pytest.raises(NotFoundError):
            decide()
    with pytest.raises(NotFoundError):
        take_down(store, database, asset.id, ANN)
