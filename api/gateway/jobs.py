"""From a flow run to the job that users of the API see. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.schemas.objects import FlowRun, State, StateType

from api.gateway.runs import due
from api.privacy import without_local_paths
from api.progress import StepReport, job_progress
from api.schemas import Job, Priority, Transition
from data.domain.errors import FailureClass, error_of_code
from data.domain.identity import owner_of
from data.domain.jobs import (
    ALLOWED_MOVES,
    RESTS_LABEL,
    TERMINAL_STATES,
    JobMove,
    JobState,
    PauseMode,
    StateView,
    job_state,
    pause_mode,
    priority_of,
    retries_counted,
    retries_of,
    was_paused_in_queue,
    webhooks_of,
)
from data.domain.steps import RETRY_WAIT

_LONGEST_STOP = {PauseMode.AT_ONCE: timedelta(minutes=1), PauseMode.AFTER_STEP: timedelta(hours=2)}
"""After this a process that never said that it has stopped is taken for dead."""


def job_of(run: FlowRun, reports: Iterable[StepReport], crash_attempts: int) -> Job:
    """Return a run as a job.

    Args:
        run: The job's own run.
        reports: What its steps and those of its children reported.
        crash_attempts: How often a run may start before a crash is final.
    """
    view = run_view(run, crash_attempts)
    progress = job_progress(reports, is_done=view.state is JobState.SUCCEEDED)
    is_running = view.state is JobState.RUNNING  # what was reported before a crash or a pause no longer holds
    parameters = run.parameters
    return Job(
        id=str(run.id),
        title=parameters.get("title") or run.name,
        owner=owner_of(run.tags),
        state=view.state,
        reason=view.reason or (progress.reason if is_running else None),
        position=progress.position if is_running else None,
        next_try_at=progress.next_try_at if is_running else _next_try_at(run, view),
        message=_message(run, run.state) if view.state is JobState.FAILED else None,
        step=progress.step,
        steps=progress.steps,
        attempt=run.run_count or int(has_begun(run)),
        step_retries=retries_counted(run.labels),
        progress=progress.share,
        last_progress_at=progress.last_at,
        created_at=run.created or due(run),
        started_at=run.start_time if has_begun(run) else None,
        finished_at=run.end_time if view.state in TERMINAL_STATES else None,
        priority=priority_of_run(run),
        queue=run.work_queue_name,
        max_retries=retries_of(run.tags),
        source=parameters.get("source"),
        recipe=parameters.get("recipe"),
        overrides=parameters.get("overrides") or {},
        analysis=parameters.get("options"),
        metadata=parameters.get("metadata") or {},
        webhooks=webhooks_of(run.tags),
        moves=moves_of(run, crash_attempts),
    )


def transitions(run: FlowRun, states: Iterable[State[Any]], crash_attempts: int) -> tuple[Transition, ...]:
    """Return the states of a run, oldest first as they are given, as those of its job."""
    starts = 0
    found = []
    for state in states:
        starts += state.type is StateType.RUNNING
        view = _state_view(state, starts, crash_attempts)
        found.append(
            Transition(
                at=state.timestamp,
                state=view.state,
                reason=view.reason,
                prefect_state=state.name or state.type.value,
                message=_message(run, state) or None,
            )
        )
    return tuple(found)


def priority_of_run(run: FlowRun) -> str:
    """Return the priority of a job, or of a run that it started."""
    return priority_of(run.labels, run.work_queue_name) or Priority.DEFAULT.value


def moves_of(run: FlowRun, crash_attempts: int) -> tuple[JobMove, ...]:
    """Return what can be asked of a job now."""
    return tuple(sorted(ALLOWED_MOVES[run_view(run, crash_attempts).state]))


def run_view(run: FlowRun, crash_attempts: int) -> StateView:
    """Return the state of a job, with its reason.

    Prefect says at once that a run is suspended; until its process has said that it has stopped, the job is pausing.
    """
    view = _state_view(run.state, run.run_count, crash_attempts)
    if view.state is JobState.PAUSED and _is_stopping(run):
        return StateView(state=JobState.PAUSING)
    return view


def failure_class(view: StateView) -> FailureClass | None:
    """Return what a job's failure is blamed on; ``None`` for one that has not failed."""
    if view.state is JobState.CANCELLED:
        return FailureClass.CANCELLED
    if view.state is not JobState.FAILED:
        return None
    if "." not in (view.reason or ""):  # `infrastructure` and `time_limit`
        return FailureClass.INFRA
    return error_of_code(view.reason, "").failure_class


def has_begun(run: FlowRun) -> bool:
    """Say whether a process has worked on the run. Prefect does not count the start of a run that was resumed."""
    return bool(run.run_count or run.total_run_time) or (run.state is not None and run.state.is_running())


def _next_try_at(run: FlowRun, view: StateView) -> datetime | None:
    return run.state.state_details.scheduled_time if run.state and view.reason == RETRY_WAIT else None


def _is_stopping(run: FlowRun) -> bool:
    state = run.state
    if state is None or not has_begun(run) or was_paused_in_queue(state.state_details.pause_key):
        return False
    if run.labels.get(RESTS_LABEL) == str(state.id):
        return False
    return datetime.now(UTC) - state.timestamp < _LONGEST_STOP[pause_mode(state.state_details.pause_key)]


def _state_view(state: State[Any] | None, starts: int, crash_attempts: int) -> StateView:
    return job_state(
        state.type.value if state else None,
        state.name if state else None,
        state.message if state else None,
        attempts_remain=starts < crash_attempts,
    )


def _message(run: FlowRun, state: State[Any] | None) -> str | None:
    """Return what a state says; of all paths on the worker's machine only the one that the caller gave is shown."""
    if state is None or state.message is None:
        return None
    return without_local_paths(state.message, known=str(run.parameters.get("source") or ""))
