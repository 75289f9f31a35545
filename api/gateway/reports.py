"""Reading progress: what the steps of jobs, and of the children that jobs hand work to, last said of themselves."""

from collections.abc import Collection
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    TaskRunFilter,
    TaskRunFilterId,
)
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.client.schemas.sorting import ArtifactSort

from api.gateway.jobs import has_begun
from api.gateway.runs import PREFECT_ROWS, read_children
from api.gateway.translation import translated
from api.progress import StepReport
from data.domain.steps import StepStatus


async def read_owners(client: PrefectClient, runs: list[FlowRun]) -> dict[UUID, UUID]:
    """Return the job of each run that may report: those of the jobs that have begun, and their children."""
    return await _owners(client, [run.id for run in runs if has_begun(run)])


async def read_reports(client: PrefectClient, owners: dict[UUID, UUID]) -> dict[UUID, list[StepReport]]:
    """Read what the steps of jobs and of their children reported, by job.

    Args:
        client: Prefect's.
        owners: The job of each run (:func:`read_owners`).
    """
    reports: dict[UUID, list[StepReport]] = {}
    offset = 0
    while owners:
        rows = await _read_artifacts(client, owners.keys(), offset)
        for row in rows:
            if row.flow_run_id in owners and row.created and row.updated and isinstance(row.data, int | float):
                report = StepReport(StepStatus.read(row.description or ""), float(row.data), row.created, row.updated)
                reports.setdefault(owners[row.flow_run_id], []).append(report)
        offset += len(rows)
        if len(rows) < PREFECT_ROWS:
            break
    return reports


async def _owners(client: PrefectClient, job_ids: list[UUID]) -> dict[UUID, UUID]:
    """Return the job of each run that may report: the jobs themselves and their children."""
    children = await read_children(client, job_ids)
    parents = await _parents(client, [c.parent_task_run_id for c in children if c.parent_task_run_id])
    owners = {job_id: job_id for job_id in job_ids}
    return owners | {c.id: parents[c.parent_task_run_id] for c in children if c.parent_task_run_id in parents}


async def _parents(client: PrefectClient, task_run_ids: list[UUID]) -> dict[UUID, UUID]:
    """Return the flow run of each task run (a child run hangs on a task run of its parent)."""
    parents: dict[UUID, UUID] = {}
    for start in range(0, len(task_run_ids), PREFECT_ROWS):
        part = task_run_ids[start : start + PREFECT_ROWS]
        with translated():
            rows = await client.read_task_runs(
                task_run_filter=TaskRunFilter(id=TaskRunFilterId(any_=part)), limit=PREFECT_ROWS
            )
        parents |= {row.id: row.flow_run_id for row in rows if row.flow_run_id}
    return parents


async def _read_artifacts(client: PrefectClient, run_ids: Collection[UUID], offset: int) -> list[Artifact]:
    wanted = ArtifactFilter(
        type=ArtifactFilterType(any_=["progress"]), flow_run_id=ArtifactFilterFlowRunId(any_=list(run_ids))
    )
    with translated():
        return await client.read_artifacts(
            artifact_filter=wanted, sort=ArtifactSort.ID_DESC, limit=PREFECT_ROWS, offset=offset
        )
