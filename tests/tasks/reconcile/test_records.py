"""What a killed job published is recorded, and its run says that it succeeded."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.schemas.objects import FlowRun, StateType

from data.database import Database
from data.domain.copies import copy_of
from data.domain.keys import publication_manifest_key
from data.domain.publications import PublicationManifest
from data.domain.targets import PublishTarget
from data.repositories import AssetRepository, CopyRepository, PackageRepository, PublicationRepository
from data.storage import ObjectStore, open_store
from tasks.reconcile.attempts import retry_rules
from tasks.reconcile.records import complete_published, forget_lost_packages, read_troubled, record_publications
from tests.data.samples import sample_asset, sample_manifest, sample_package
from tests.fakes.catalogues import make_catalogue
from tests.tasks.reconcile.conftest import HERE, Runs

ASSET = sample_asset()
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
