"""Reading progress: what the steps of jobs, and of the children that jobs hand work to, last said of themselves."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
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


async def read_owners(client: PrefectClient, runs: Sequence[FlowRun]) -> dict[UUID, UUID]:
    """Return the job of each run that may report: those of the jobs that have begun, and their children."""
    job_ids = [run.id for run in runs if has_begun(run)]
    return {job_id: job_id for job_id in job_ids} | await _owners(client, job_ids)


async def read_reports(client: PrefectClient, job_ids: Sequence[UUID]) -> dict[UUID, list[StepReport]]:
    """Read what the steps of the jobs and of their children reported, by job."""
    if not job_ids:
        return {}
    # Most jobs have no children at the moment: their own reports need not wait for that to be known.
    own, owners = await asyncio.gather(
        read_reports_of(client, {job_id: job_id for job_id in job_ids}), _owners(client, job_ids)
    )
    reports = dict(own)
    for job_id, more in (await read_reports_of(client, owners)).items():
        reports[job_id] = [*reports.get(job_id, []), *more]
    return reports


async def read_reports_of(client: PrefectClient, owners: Mapping[UUID, UUID]) -> dict[UUID, list[StepReport]]:
    """Read what runs reported, by the jobs that own them (:func:`read_owners`)."""
    reports: dict[UUID, list[StepReport]] = {}
    offset = 0
    while owners:
        rows = await _read_artifacts(client, owners.keys(), offset)
        for row in rows:
            owner = owners.get(row.flow_run_id) if row.flow_run_id else None
            if owner and row.created and row.updated and isinstance(row.data, int | float):
                report = StepReport(StepStatus.read(row.description or ""), float(row.data), row.created, row.updated)
                reports.setdefault(owner, []).append(report)
        offset += len(rows)
        if len(rows) < PREFECT_ROWS:
            break
    return reports


async def _owners(client: PrefectClient, job_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the job of each run that jobs have started."""
    children = await read_children(client, job_ids)
    parents = await _parents(client, [c.parent_task_run_id for c in children if c.parent_task_run_id])
    return {c.id: parents[c.parent_task_run_id] for c in children if c.parent_task_run_id in parents}


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
