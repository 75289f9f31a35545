"""Reading flow runs: the run of a job, its states, and the runs that it started."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterParentTaskRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort

from api.gateway.translation import translated
from data.domain.errors import NotFoundError
from data.domain.identity import owner_tag
from data.domain.jobs import JOB_TAG

PREFECT_ROWS = 200
"""Prefect's own limit of rows an answer (``PREFECT_SERVER_API_DEFAULT_LIMIT``)."""


def job_filter(types: Collection[StateType], owner: str | None = None) -> FlowRunFilter:
    """Return the filter of jobs whose state is of one of the types; of any type where there are none.

    Args:
        types: Of states.
        owner: Whose jobs alone; ``None`` is everybody's.
    """
    state = {"state": state_filter(types)} if types else {}
    tags = [JOB_TAG] if owner is None else [JOB_TAG, owner_tag(owner)]
    return FlowRunFilter(
        tags=FlowRunFilterTags(all_=tags), parent_task_run_id=FlowRunFilterParentTaskRunId(is_null_=True), **state
    )


def state_filter(types: Collection[StateType]) -> FlowRunFilterState:
    """Return the filter of runs whose state is of one of the types."""
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=sorted(types)))


def due(run: FlowRun) -> datetime:
    """Return when a run was due, which never changes; in UTC."""
    return run.expected_start_time or run.created or datetime.min.replace(tzinfo=UTC)


def run_id_of(job_id: str) -> UUID:
    """Return the id of a job's run.

    Raises:
        NotFoundError: No job can have that id.
    """
    try:
        return UUID(job_id)
    except ValueError as error:
        raise NotFoundError(f"There is no job {job_id}.") from error


async def read_run(client: PrefectClient, job_id: str) -> FlowRun:
    """Return the run of a job.

    Raises:
        NotFoundError: No run has that id, or it is not a job.
    """
    with translated(f"There is no job {job_id}."):
        run = await client.read_flow_run(run_id_of(job_id))
    if JOB_TAG not in run.tags or run.parent_task_run_id is not None:
        raise NotFoundError(f"There is no job {job_id}.")
    return run


async def read_runs(client: PrefectClient, run_ids: Collection[UUID]) -> list[FlowRun]:
    """Return those of the runs that are there, and are jobs; at most :data:`PREFECT_ROWS`."""
    wanted = job_filter(()).model_copy(update={"id": FlowRunFilterId(any_=list(run_ids))})
    with translated():
        return await client.read_flow_runs(flow_run_filter=wanted, limit=PREFECT_ROWS)


async def read_states(client: PrefectClient, run_id: UUID) -> list[State[Any]]:
    """Return the states that a run went through, oldest first."""
    with translated():
        states = await client.read_flow_run_states(run_id)
    return in_order(states)


def in_order(states: Iterable[State[Any]]) -> list[State[Any]]:
    """Return the states of a run, oldest first.

    Only what waits to be started is called late. Prefect dates a state before it waits for the run's row: one that came
    a moment before the start may carry a time behind it.
    """
    found: list[State[Any]] = []
    for state in sorted(states, key=lambda state: state.timestamp):
        place = len(found)
        while state.name == "Late" and place and found[place - 1].type is not StateType.SCHEDULED:
            place -= 1
        found.insert(place, state)
    return found


async def read_children(client: PrefectClient, run_ids: Collection[UUID]) -> list[FlowRun]:
    """Read the runs that the given runs started, all pages."""
    wanted = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=list(run_ids)))
    children: list[FlowRun] = []
    while run_ids:
        with translated():
            rows = await client.read_flow_runs(
                flow_run_filter=wanted, sort=FlowRunSort.ID_DESC, limit=PREFECT_ROWS, offset=len(children)
            )
        children += rows
        if len(rows) < PREFECT_ROWS:
            break
    return children


async def read_descendants(client: PrefectClient, run_id: UUID) -> list[FlowRun]:
    """Read children and children's children, nearest first."""
    found: list[FlowRun] = []
    generation = await read_children(client, [run_id])
    while generation:
        found += generation
        generation = await read_children(client, [child.id for child in generation])
    return found
