"""Upkeep: what keeps a machine clean, jobs alive and the store small; the skins of ``reconcile`` and ``retention``."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.logging import get_run_logger

from data.copies import expire_copies
from data.database import Database, open_database
from data.settings import RetentionSettings, Settings, get_settings
from data.storage import ObjectStore, open_store
from tasks.reconcile.attempts import GRACE, retry_rules
from tasks.reconcile.copies import have_copies_updated
from tasks.reconcile.feeds import feed_forgotten
from tasks.reconcile.generations import settle_forgotten
from tasks.reconcile.records import (
    complete_decisions,
    complete_published,
    forget_lost_packages,
    read_troubled,
    record_publications,
)
from tasks.reconcile.rounds import Findings, reconcile
from tasks.retention.caches import expire_artifacts, expire_packages
from tasks.retention.generations import expire_generations, expire_references
from tasks.retention.inputs import expire_inputs
from tasks.retention.publications import expire_publications
from tasks.retention.rounds import Ages, Deleted, claim_round, is_due, visit_parts
from tasks.retention.small_things import expire_results, expire_uploads, expire_webhooks, sweep
from tasks.retention.use import AssetsInUse, awaited_uploads, lives
from tasks.workspace import sweep_workspaces

RETENTION_SECONDS = 20.0
"""After this a round of retention begins no further part of the store; the next one goes on there."""
PACKAGES_LOOKED_AT = 5


@task(task_run_name="reconcile runs")
def reconcile_runs() -> Findings:
    """Give runs whose process is gone the state they should have, and queue crashed jobs again; end orphans."""
    settings = get_settings()
    with get_client(sync_client=True) as client:
        found = reconcile(client, settings.home_path, str(client.api_url), settings.orchestration.crash_attempts)
    for kind, what in found.items():
        if what:
            get_run_logger().warning("%s: %s", kind.capitalize(), "; ".join(what))
    return found


@task(task_run_name="sweep workspaces")
def sweep_scratch() -> Findings:
    """Remove the scratch directories of attempts whose process is gone; return their names."""
    root = get_settings().scratch_path
    swept = sweep_workspaces(root) if root.is_dir() else []
    if swept:
        get_run_logger().info("Swept %d scratch directories of killed attempts: %s", len(swept), ", ".join(swept))
    return {"scratch directories swept": swept}


@task(task_run_name="reconcile records")
def reconcile_records() -> Findings:
    """Compare store, catalogue and Prefect where a job or a decision ended badly; the publication manifest is true."""
    settings = get_settings()
    store, database = _store(settings), open_database(settings.catalogue_url)
    rules = retry_rules(settings.orchestration.crash_attempts)
    with get_client(sync_client=True) as client:
        troubled = read_troubled(client)
        recorded = record_publications(store, database, [str(run.id) for run in troubled])
        completed = complete_published(client, database, troubled, rules)
    decided = complete_decisions(store, database, datetime.now(UTC) - GRACE)
    lost = forget_lost_packages(store, database, PACKAGES_LOOKED_AT)
    found = {
        "publications recorded": recorded,
        "published jobs completed": completed,
        "decisions completed": decided,
        "lost packages forgotten": lost,
    }
    for kind, what in found.items():
        if what:
            get_run_logger().warning("%s: %s", kind.capitalize(), "; ".join(what))
    return found


@task(task_run_name="reconcile generations")
def reconcile_generations() -> Findings:
    """Settle generations whose job is over: give reservations back, and have providers asked about the rest."""
    settings = get_settings()
    rules = retry_rules(settings.orchestration.crash_attempts)
    with get_client(sync_client=True) as client:
        settled = settle_forgotten(client, open_database(settings.catalogue_url), rules, datetime.now(UTC))
    if settled:
        get_run_logger().warning("Generations of jobs that are over: %s", "; ".join(settled))
    return {"generations settled": settled}


@task(task_run_name="feed batches")
def feed_batches() -> Findings:
    """Have the batches fed that are not done and that no run works on: their feed was lost, or could not be made."""
    with get_client(sync_client=True) as client:
        fed = feed_forgotten(client, open_database(get_settings().catalogue_url))
    if fed:
        get_run_logger().warning("Batches that nobody fed are fed again: %s", ", ".join(fed))
    return {"batches fed again": fed}


@task(task_run_name="reconcile copies")
def reconcile_copies() -> Findings:
    """Have a run made for copies at publish targets that are to be made, or to go, and that no job is at."""
    with get_client(sync_client=True) as client:
        due = have_copies_updated(client, open_database(get_settings().catalogue_url), datetime.now(UTC))
    if due:
        get_run_logger().info("Copies are brought up to date: %s", "; ".join(due))
    return {"copies brought up to date": due}


def is_retention_due() -> bool:
    """Say whether an hour has passed since what is past its time was deleted; one small read of the store."""
    return is_due(_store(get_settings()), datetime.now(UTC))


@task(task_run_name="retention")
def delete_expired() -> Findings:
    """Delete what is past its time; nothing public, no source, nothing that a living job works on."""
    settings = get_settings()
    store = _store(settings)
    part = claim_round(store, datetime.now(UTC))
    if part is None:
        return {}
    deleted = Deleted()
    with get_client(sync_client=True) as client:
        expire(client, store, open_database(settings.catalogue_url), ages_of(settings.retention), part, deleted)
    if deleted.counts:
        get_run_logger().info("Deleted what is past its time: %s.", deleted)
    return {"deleted": [str(deleted)] if deleted.counts else []}


def expire(
    client: SyncPrefectClient, store: ObjectStore, database: Database, ages: Ages, part: str, deleted: Deleted
) -> None:
    """Carry out one round of retention.

    Args:
        client: Prefect's.
        store: The object store.
        database: The catalogue.
        ages: How old something must be.
        part: The part of the store to begin with.
        deleted: Counts.
    """
    now, is_in_use = datetime.now(UTC), AssetsInUse(client, database)

    def is_awaited(job_id: str) -> bool:
        return lives(client, job_id)

    sweep(store, database, deleted)
    expire_webhooks(database, ages.webhooks, deleted)
    expire_uploads(store, database, ages.uploads, awaited_uploads(client).__contains__, deleted)
    if copies := expire_copies(database, _before(now, ages.versions), _before(now, ages.attempts), is_in_use):
        deleted.add("copies", 0, copies)
    for each in visit_parts(store, part, RETENTION_SECONDS):
        expire_publications(store, database, each, ages, now, is_in_use, deleted)
        expire_packages(store, database, each, ages, now, is_in_use, deleted)
        expire_artifacts(store, database, each, ages, now, is_in_use, deleted)
        expire_generations(store, database, each, ages, now, is_awaited, deleted)
        expire_references(store, database, each, ages, now, deleted)
        expire_inputs(store, each, ages, now, deleted)
        expire_results(store, each, ages.results, now, deleted)


def ages_of(retention: RetentionSettings) -> Ages:
    """Return the settings as ages."""
    return Ages(
        versions=_days(retention.versions_days),
        attempts=_days(retention.attempts_days),
        caches=_days(retention.caches_days),
        uploads=_days(retention.uploads_days),
        results=_days(retention.results_days),
        paid=_days(retention.paid_days),
        webhooks=_days(retention.webhooks_days),
    )


def show_findings(findings: Mapping[str, Sequence[str]]) -> None:
    """Show in the Prefect UI what was put right; nothing when there was nothing."""
    rows = [{"what": kind, "which": each} for kind, found in findings.items() for each in found]
    if rows:
        create_table_artifact(rows, description="What this round of upkeep put right.")


def _days(days: int) -> timedelta | None:
    return timedelta(days=days) if days else None


def _before(now: datetime, age: timedelta | None) -> datetime | None:
    return None if age is None else now - age


def _store(settings: Settings) -> ObjectStore:
    return open_store(settings.storage_url, **settings.storage_options)
