"""Copies at publish targets that upkeep has something to do with: made, or taken away, by a run of its own.

Targets may take their time, which upkeep does not have. There is one such run at a time; what fails in it becomes due
again later (:func:`data.copies.postpone`).
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import StateType

from data.database import Database
from data.repositories import CopyRepository
from tasks.reconcile.attempts import RetryRule, may_go_on
from tasks.reconcile.runs import of_types, read_runs, read_runs_by_id

UPDATE_DEPLOYMENT = "update-copies/on-demand"
_NOT_ENDED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]


def have_copies_updated(client: SyncPrefectClient, database: Database, now: datetime) -> list[str]:
    """Have a run made where copies are due, unless there is one; return what was found.

    Args:
        client: Prefect's.
        database: The catalogue.
        now: The time, aware.
    """
    with database.session() as session:
        due = CopyRepository(session).due(now)
    if not due:
        return []
    deployment = client.read_deployment_by_name(UPDATE_DEPLOYMENT)
    of_it = FlowRunFilterDeploymentId(any_=[deployment.id])
    if read_runs(client, FlowRunFilter(deployment_id=of_it, state=of_types(_NOT_ENDED))):
        return []
    client.create_flow_run_from_deployment(deployment.id, name=f"copies-{uuid4().hex[:8]}")
    return [f"{copy.asset_id} version {copy.version} at {copy.target.name}" for copy in due]


def is_job_at_work(client: SyncPrefectClient, job_id: str, rules: Sequence[RetryRule], now: datetime) -> bool:
    """Say whether a job works, or may yet; one that Prefect does not know any more does not.

    Args:
        client: Prefect's.
        job_id: A job's, or that of an item of a pack.
        rules: How often which runs may start.
        now: The time, aware.
    """
    return any(may_go_on(run, rules, now) for run in read_runs_by_id(client, {job_id.partition(":")[0]}))
