"""Copies that no job is at are brought up to date by one run at a time."""

from datetime import UTC, datetime, timedelta

from prefect.client.schemas.objects import StateType

from data.database import Database
from data.domain.copies import copy_of
from data.domain.targets import PublishTarget
from data.repositories import CopyRepository
from tasks.reconcile.attempts import GRACE, retry_rules
from tasks.reconcile.copies import have_copies_updated, is_job_at_work
from tests.data.samples import sample_asset, sample_manifest
from tests.tasks.reconcile.conftest import HERE, Runs

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


def test_a_job_is_at_work_until_it_has_ended_for_good(runs: Runs) -> None:
    run = runs.make("dailies-job")
    runs.started(run, HERE)

    def is_at_work(after: timedelta, attempts: int = 1) -> bool:
        return is_job_at_work(runs.client, f"{run.id}:3", retry_rules(attempts), datetime.now(UTC) + after)

    assert is_at_work(timedelta(days=1))
    runs.force(run, StateType.CRASHED)
    assert is_at_work(timedelta(0))  # perhaps on its way out
    assert not is_at_work(2 * GRACE)
    assert is_at_work(2 * GRACE, attempts=2)
    runs.force(run, StateType.CANCELLED)
    assert not is_at_work(2 * GRACE, attempts=2)
    runs.client.delete_flow_run(run.id)
    assert not is_at_work(timedelta(0))
