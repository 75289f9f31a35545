"""What a killed job published is recorded, and its run says that it succeeded."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.schemas.objects import FlowRun, StateType

from data.database import Database
from data.domain.copies import CopyState, copy_of
from data.domain.errors import StoreUnavailableError
from data.domain.findings import Decision
from data.domain.keys import publication_manifest_key
from data.domain.publications import PublicationManifest
from data.domain.targets import PublishTarget
from data.publishing import standing, switch
from data.repositories import (
    AssetRepository,
    CandidateRepository,
    CopyRepository,
    PackageRepository,
    PendingDecisionRepository,
    PublicationRepository,
)
from data.reviews import approve, take_down
from data.storage import ObjectStore, open_store
from tasks.reconcile.attempts import retry_rules
from tasks.reconcile.records import (
    complete_decisions,
    complete_published,
    forget_lost_packages,
    read_troubled,
    record_publications,
)
from tests.data.samples import sample_asset, sample_manifest, sample_package
from tests.fakes.catalogues import make_catalogue
from tests.fakes.failing_store import FailingStore
from tests.tasks.reconcile.conftest import HERE, Runs

ASSET = sample_asset()
ANN = Decision(by="Ann", at=datetime(2026, 5, 1, 8, tzinfo=UTC))
RULES = retry_rules(job_attempts=1)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path / 'store'}")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    make_catalogue(url)
    opened = Database(url)
    with opened.session() as session:
        AssetRepository(session).record(ASSET)
    yield opened
    opened.close()


def published(store: ObjectStore, database: Database, job_id: str, number: int = 1) -> PublicationManifest:
    """Publish, and die before recording it."""
    manifest = sample_manifest(ASSET, number, job_id)
    key = publication_manifest_key(ASSET.id)
    found = store.get_versioned(key)
    store.compare_and_swap(key, manifest.model_dump_json().encode(), found[1] if found else None)
    with database.session() as session:
        AssetRepository(session).bind_job(job_id, ASSET.id)
    return manifest


def crashed(runs: Runs) -> FlowRun:
    run = runs.make("dailies-job")
    runs.started(run, HERE)
    runs.force(run, StateType.CRASHED)
    return runs.client.read_flow_run(run.id)


def test_a_publication_that_nobody_lived_to_record_is_recorded_once(store: ObjectStore, database: Database) -> None:
    manifest = published(store, database, "job-1")

    assert record_publications(store, database, ["job-1", "unknown"]) == [f"{ASSET.id} version 1"]
    assert record_publications(store, database, ["job-1"]) == []
    with database.session() as session:
        assert PublicationRepository(session).latest(ASSET.id) == manifest


def test_of_two_stories_about_one_version_neither_is_overwritten(store: ObjectStore, database: Database) -> None:
    with database.session() as session:
        PublicationRepository(session).record(sample_manifest(ASSET, 1, "job-other"))
    published(store, database, "job-1")

    assert record_publications(store, database, ["job-1"]) == []


def test_jobs_that_published_nothing_are_nothing_to_record(store: ObjectStore, database: Database) -> None:
    with database.session() as session:
        AssetRepository(session).bind_job("job-1", ASSET.id)

    assert record_publications(store, database, ["job-1"]) == []
    assert record_publications(store, database, []) == []


def test_a_crashed_job_whose_publication_is_out_has_succeeded(
    runs: Runs, store: ObjectStore, database: Database
) -> None:
    run, empty_handed = crashed(runs), crashed(runs)
    published(store, database, str(run.id))
    record_publications(store, database, [str(run.id)])
    troubled = [each for each in read_troubled(runs.client) if each.id in (run.id, empty_handed.id)]

    assert complete_published(runs.client, database, troubled, RULES) == [str(run.id)]

    assert runs.state(run).type is StateType.COMPLETED
    assert runs.state(empty_handed).type is StateType.CRASHED
    assert str(run.id) not in {str(each.id) for each in read_troubled(runs.client)}


def test_a_job_whose_targets_wait_for_their_copies_is_not_done(
    runs: Runs, store: ObjectStore, database: Database
) -> None:
    run, target = crashed(runs), PublishTarget(name="cdn", url="s3://cdn")
    manifest = published(store, database, str(run.id)).model_copy(update={"targets": (target,)})
    with database.session() as session:
        PublicationRepository(session).record(manifest)
    assert complete_published(runs.client, database, [run], RULES) == []

    copy = copy_of(manifest, target, str(run.id))
    with database.session() as session:
        CopyRepository(session).want([copy])
    assert complete_published(runs.client, database, [run], RULES) == []
    with database.session() as session:
        CopyRepository(session).there(copy, 1, 1)
    assert complete_published(runs.client, database, [run], RULES) == [str(run.id)]


def test_a_job_that_will_be_tried_again_says_so_itself(runs: Runs, store: ObjectStore, database: Database) -> None:
    run = crashed(runs)
    published(store, database, str(run.id))
    record_publications(store, database, [str(run.id)])

    assert complete_published(runs.client, database, [run], retry_rules(job_attempts=2)) == []


@pytest.mark.parametrize("kind", [StateType.CANCELLED, StateType.FAILED])
def test_a_job_that_failed_or_was_cancelled_stays_so(
    runs: Runs, store: ObjectStore, database: Database, kind: StateType
) -> None:
    run = runs.make("dailies-job")
    runs.started(run, HERE)
    runs.force(run, kind)
    published(store, database, str(run.id))
    record_publications(store, database, [str(run.id)])

    assert complete_published(runs.client, database, [runs.client.read_flow_run(run.id)], RULES) == []


class Killed(BaseException):
    """Nothing that a process does comes after it."""


class LastWords(FailingStore):
    """A store whose caller is killed before it hears that a switch was made, or before it is made."""

    def __init__(self, store: ObjectStore, *, is_made: bool) -> None:
        super().__init__(store, 1000)
        self._is_made = is_made

    def compare_and_swap(self, key: str, data: bytes, expected_etag: str | None) -> str:
        if self._is_made:
            super().compare_and_swap(key, data, expected_etag)
        raise Killed


def later() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def public_with_a_copy(store: ObjectStore, database: Database) -> None:
    manifest = published(store, database, "job-1")
    copy = copy_of(manifest, PublishTarget(name="cdn", url="s3://cdn"), "job-1")
    with database.session() as session:
        PublicationRepository(session).record(manifest)
        CopyRepository(session).want([copy])
        CopyRepository(session).there(copy, 1, 1)


def test_a_retraction_that_was_killed_before_the_catalogue_knew_is_completed(
    store: ObjectStore, database: Database
) -> None:
    public_with_a_copy(store, database)
    with pytest.raises(Killed):
        take_down(LastWords(store, is_made=True), database, ASSET.id, ANN)
    with database.session() as session:
        assert PublicationRepository(session).latest(ASSET.id) is not None

    assert complete_decisions(store, database, datetime.now(UTC) - timedelta(minutes=1)) == []  # it may be on its way
    assert complete_decisions(store, database, later()) == [ASSET.id]

    with database.session() as session:
        assert PublicationRepository(session).latest(ASSET.id) is None
        [copy] = CopyRepository(session).due(later())
        assert copy.state is CopyState.WITHDRAWING
        assert PendingDecisionRepository(session).begun_before(later()) == {}
    assert complete_decisions(store, database, later()) == []


def test_a_retraction_that_was_killed_before_the_store_knew_was_none(store: ObjectStore, database: Database) -> None:
    public_with_a_copy(store, database)
    with pytest.raises(Killed):
        take_down(LastWords(store, is_made=False), database, ASSET.id, ANN)

    assert complete_decisions(store, database, later()) == []

    assert standing(store, ASSET.id).manifest is not None
    with database.session() as session:
        assert [each.state for each in CopyRepository(session).of_asset(ASSET.id)] == [CopyState.THERE]
        assert PendingDecisionRepository(session).begun_before(later()) == {}


def test_what_became_public_after_a_killed_retraction_stays(store: ObjectStore, database: Database) -> None:
    public_with_a_copy(store, database)
    with pytest.raises(Killed):
        take_down(LastWords(store, is_made=True), database, ASSET.id, ANN)
    again = sample_manifest(ASSET, 2, "job-2")
    switch(store, again, standing(store, ASSET.id).etag)
    with database.session() as session:
        PublicationRepository(session).record(again)

    assert complete_decisions(store, database, later()) == []
    with database.session() as session:
        assert PublicationRepository(session).latest(ASSET.id) == again


def test_an_approval_that_was_killed_before_the_catalogue_knew_is_completed(
    store: ObjectStore, database: Database
) -> None:
    target = PublishTarget(name="cdn", url="s3://cdn")
    held = sample_manifest(ASSET, 1, "held-1").model_copy(
        update={"held_because": "The recipe.", "targets": (target,), "files": {"720p.mp4": 7}}
    )
    for path, size in held.files.items():
        store.put_bytes(b"x" * size, held.prefix + path)
    with database.session() as session:
        CandidateRepository(session).wait(held, "work", held.held_because)
    with pytest.raises(Killed):
        approve(LastWords(store, is_made=True), database, ASSET.id, ANN)

    assert complete_decisions(store, database, later()) == [ASSET.id]

    with database.session() as session:
        public = PublicationRepository(session).latest(ASSET.id)
        [copy] = CopyRepository(session).due(later())
        assert PendingDecisionRepository(session).begun_before(later()) == {}
    assert public is not None
    assert public.approval == ANN
    assert (copy.state, copy.work_key) == (CopyState.WANTED, "work")


def test_a_store_that_is_away_leaves_a_decision_for_the_next_round(store: ObjectStore, database: Database) -> None:
    public_with_a_copy(store, database)
    with pytest.raises(Killed):
        take_down(LastWords(store, is_made=True), database, ASSET.id, ANN)

    class Away(FailingStore):
        def get_versioned(self, key: str) -> tuple[bytes, str] | None:
            raise StoreUnavailableError("The store is away.")

    assert complete_decisions(Away(store, 1000), database, later()) == []
    assert complete_decisions(store, database, later()) == [ASSET.id]


def test_the_record_of_a_package_goes_with_its_files(store: ObjectStore, database: Database) -> None:
    there, gone = (sample_package(ASSET, uuid.uuid4().hex[:24]) for _ in range(2))
    store.put_bytes(b"bytes", f"{there.prefix}720p.mp4")
    with database.session() as session:
        for package in (there, gone):
            PackageRepository(session).record(package)

    assert forget_lost_packages(store, database, 10) == [gone.key]
    with database.session() as session:
        assert PackageRepository(session).get(there.key) == there
        assert PackageRepository(session).get(gone.key) is None
