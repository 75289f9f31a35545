"""Upkeep: what keeps a machine clean, and jobs alive, after crashes."""

from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType
from prefect.logging import get_run_logger
from prefect.states import AwaitingRetry

from data.domain.jobs import JOB_TAG
from data.settings import get_settings
from tasks.workspace import sweep_workspaces

_LATELY = timedelta(days=1)


@task(task_run_name="sweep workspaces")
def sweep_scratch() -> list[str]:
    """Remove the scratch directories of attempts whose process is gone; return their names."""
    root = get_settings().scratch_path
    swept = sweep_workspaces(root) if root.is_dir() else []
    if swept:
        get_run_logger().info("Swept %d scratch directories of killed attempts: %s", len(swept), ", ".join(swept))
    return swept


@task(task_run_name="retry crashed jobs")
def retry_crashed_jobs() -> list[str]:
    """Queue jobs again whose process died, while attempts remain; return their ids.

    A crash is the machine's fault, not the video's: the next attempt goes on after the last finished step.
    """
    crashed = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[JOB_TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED])),
        end_time=FlowRunFilterEndTime(after_=datetime.now(UTC) - _LATELY),
    )
    attempts = get_settings().orchestration.crash_attempts
    again = []
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=crashed):
            if run.run_count < attempts:
                state: State[None] = AwaitingRetry(message=f"Attempt {run.run_count} of {attempts} crashed.")
                client.set_flow_run_state(run.id, state)
                get_run_logger().warning("Job %s crashed at attempt %d and is tried again.", run.id, run.run_count)
                again.append(str(run.id))
    return again
