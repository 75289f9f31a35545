"""What the object store says, compared with the catalogue and with Prefect, for runs that ended badly lately.

The publication manifest in the store is the truth. A process killed between writing it and recording it leaves a
publication, or a retraction, that the catalogue does not know; and one killed before it could report leaves a run that
looks crashed.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterEndTime, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Completed

from data.database import Database
from data.domain.copies import CopyState
from data.domain.errors import DailiesError, PublicationConflictError
from data.domain.jobs import ITEM_TAG, JOB_TAG
from data.publishing import current_publication
from data.repositories import (
    AssetRepository,
    CopyRepository,
    PackageRepository,
    PendingDecisionRepository,
    PublicationRepository,
)
from data.reviews import complete
from data.storage import ObjectStore
from tasks.reconcile.attempts import RetryRule, has_attempts
from tasks.reconcile.runs import of_types, propose

logger = logging.getLogger(__name__)

LATELY = timedelta(hours=6)
MOST_RUNS = 50
"""Each costs one small read of the store, every minute."""


def read_troubled(client: SyncPrefectClient) -> list[FlowRun]:
    """Read the jobs that ended badly lately, the latest first."""
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(any_=[JOB_TAG, ITEM_TAG]),
            state=of_types([StateType.CRASHED, StateType.FAILED, StateType.CANCELLED]),
            end_time=FlowRunFilterEndTime(after_=datetime.now(UTC) - LATELY),
        ),
        sort=FlowRunSort.END_TIME_DESC,
        limit=MOST_RUNS,
    )


def record_publications(store: ObjectStore, database: Database, job_ids: Collection[str]) -> list[str]:
    """Record what jobs published and did not live to record; return it as ``asset version``.

    Args:
        store: Where the publication manifests are.
        database: The catalogue.
        job_ids: Jobs that ended badly.
    """
    with database.session() as session:
        assets = AssetRepository(session).assets_of_jobs(job_ids)
    recorded = []
    for asset_id in sorted(set(assets.values())):
        manifest, _ = current_publication(store, asset_id)
        if manifest is None:
            continue
        try:
            with database.session() as session:
                if PublicationRepository(session).record(manifest):
                    recorded.append(f"{asset_id} version {manifest.version}")
        except PublicationConflictError:
            continue  # the catalogue knows another job's: neither is to be overwritten by a guess
    return recorded


def complete_decisions(store: ObjectStore, database: Database, begun_before: datetime) -> list[str]:
    """Have the catalogue know what people decided in processes that did not live to record it; return of which assets.

    Args:
        store: Where the publication manifests are.
        database: The catalogue.
        begun_before: A decision that was begun later may be on its way.
    """
    with database.session() as session:
        begun = PendingDecisionRepository(session).begun_before(begun_before)
    completed = set()
    for decision, asset_id in begun.items():
        try:
            if complete(store, database, asset_id):
                completed.add(asset_id)
        except DailiesError as error:
            logger.warning("A decision about asset %s is not completed yet: %s", asset_id, error)
            continue
        with database.session() as session:
            PendingDecisionRepository(session).end(decision)
    return sorted(completed)


def complete_published(
    client: SyncPrefectClient, database: Database, troubled: Collection[FlowRun], rules: Sequence[RetryRule]
) -> list[str]:
    """Complete crashed jobs that have no attempt left and whose publication is out; return their ids.

    What a job is for is its publication, and publishing is its last step: only the report of it was lost, unless a
    target waits for its copy still. A job that a person cancelled, or that failed by itself, stays as it is.
    """
    completed = []
    for run in troubled:
        if run.state is None or run.state.type is not StateType.CRASHED or has_attempts(run, rules):
            continue
        with database.session() as session:
            manifest = PublicationRepository(session).of_job(str(run.id))
            copies = CopyRepository(session).of_job(str(run.id))
        made = {each.target.name for each in copies if each.state is not CopyState.WANTED}
        if manifest is not None and all(target.name in made for target in manifest.targets):
            message = f"Version {manifest.version} was published before the run's process was lost."
            if propose(client, run, Completed(message=message)):
                completed.append(str(run.id))
    return completed


def forget_lost_packages(store: ObjectStore, database: Database, limit: int) -> list[str]:
    """Remove the records of packages whose files are gone from the store; looks at some, others each time."""
    with database.session() as session:
        packages = PackageRepository(session).sample(limit)
    lost = [package.key for package in packages if next(iter(store.list(package.prefix)), None) is None]
    if lost:
        with database.session() as session:
            for key in lost:
                PackageRepository(session).forget(key)
    return lost
