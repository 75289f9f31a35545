"""Copies that no job is at are brought up to date by one run at a time."""

from datetime import UTC, datetime, timedelta

from data.database import Database
from data.domain.copies import copy_of
from data.domain.targets import PublishTarget
from data.repositories import CopyRepository
from tasks.reconcile.copies import have_copies_updated
from tests.data.samples import sample_asset, sample_manifest
from tests.tasks.reconcile.conftest import Runs

MANIFEST = sample_manifest(sample_asset())
COPY = copy_of(MANIFEST, PublishTarget(name="cdn", url="s3://cdn"), "job")
NOW = datetime.now(UTC)


def test_what_is_due_has_one_run_made(runs: Runs, database: Database) -> None:
    with database.session() as session:
        CopyRepository(session).want([COPY])
    assert have_copies_updated(runs.client, database, NOW) == []  # a job's

    with database.session() as session:
        CopyRepository(session).want([COPY.model_copy(update={"due_at": NOW})])
    assert have_copies_updated(runs.client, database, NOW - timedelta(minutes=1)) == []
    assert have_copies_updated(runs.client, database, NOW) == [f"{MANIFEST.asset_id} version 1 at cdn"]
    assert have_copies_updated(runs.client, database, NOW) == []  # one is on its way
