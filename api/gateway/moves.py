"""Moving flow runs: into the queue, out of it, and back. Always by Prefect's own rules, never by force."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import OrchestrationResult, SetStateStatus
from prefect.states import AwaitingRetry, Cancelled, Cancelling, Pending

from api.gateway.jobs import has_begun, moves_of, priority_of_run, run_view
from api.gateway.known_deployments import KnownDeployments
from api.gateway.runs import read_descendants, read_run, read_states
from api.gateway.translation import translated
from api.schemas import Priority
from data.domain.errors import IllegalMoveError
from data.domain.identity import owner_tag
from data.domain.jobs import JOB_TAG, JobDeployment, JobMove, JobState, place_in_queue, retries_tag
from data.telemetry.tracing import trace_labels

_CANCELLED = "Cancelled by request."


async def submit_run(
    deployments: KnownDeployments,
    deployment: JobDeployment,
    parameters: dict[str, Any],
    *,
    name: str,
    priority: Priority,
    idempotency_key: str | None,
    owner: str,
    max_retries: int | None = None,
    tags: Sequence[str] = (),
) -> FlowRun:
    """Create a run of a deployment whose runs are jobs; the same key again returns the first one's run.

    Raises:
        OrchestratorUnavailableError: Prefect is away, or its deployments were never made.
        InvalidRequestError: Prefect does not take the parameters.
    """
    return await deployments.create_run(
        deployment.value,
        parameters=parameters,
        name=name,
        tags=[JOB_TAG, owner_tag(owner), *([] if max_retries is None else [retries_tag(max_retries)]), *tags],
        work_queue_name=priority.value,
        idempotency_key=idempotency_key,
        labels=trace_labels(),
    )


async def cancel_run(client: PrefectClient, job_id: str, crash_attempts: int) -> None:
    """Stop a job's run and its children: at once where nothing runs yet, else by way of ``Cancelling``.

    Raises:
        NotFoundError: No such job.
        IllegalMoveError: The job has ended or is being cancelled.
    """
    run = await read_run(client, job_id)
    check_move(run, JobMove.CANCEL, crash_attempts)
    # The parent first: it would take a cancelled child for a failed step and fail.
    if not await _stop(client, run):
        check_move(await read_run(client, job_id), JobMove.CANCEL, crash_attempts)
    for child in await read_descendants(client, run.id):
        await _stop(client, child)


async def retry_run(client: PrefectClient, job_id: str, crash_attempts: int) -> None:
    """Queue the run of an ended job again.

    Raises:
        NotFoundError: No such job.
        IllegalMoveError: The job has not failed or been cancelled.
    """
    run = await read_run(client, job_id)
    check_move(run, JobMove.RETRY, crash_attempts)
    # Not forced: this is the transition of Prefect's own "Retry" button.
    state: State[Any] = AwaitingRetry(message="Retried by request.", scheduled_time=place_from_now(run))
    outcome = await propose(client, run.id, state)
    if outcome.status is not SetStateStatus.ACCEPT:
        raise illegal(await read_run(client, job_id), JobMove.RETRY, crash_attempts)


async def delete_run(client: PrefectClient, job_id: str, crash_attempts: int) -> None:
    """Remove the run of an ended job, and the runs that it started.

    Raises:
        NotFoundError: No such job.
        IllegalMoveError: The job has not ended.
    """
    run = await read_run(client, job_id)
    check_move(run, JobMove.DELETE, crash_attempts)
    # The children first: they are found by their parent.
    for each in (*reversed(await read_descendants(client, run.id)), run):
        with translated(f"There is no job {job_id}."):
            await client.delete_flow_run(each.id)


async def change_run(
    client: PrefectClient, run: FlowRun, title: str | None, metadata: dict[str, Any] | None, crash_attempts: int
) -> None:
    """Change what a job is called, or what is kept with it; ``None`` leaves it.

    Raises:
        IllegalMoveError: The job has begun: its process knows the title that it was given.
    """
    if title is not None and (has_begun(run) or run_view(run, crash_attempts).state is not JobState.QUEUED):
        state = run_view(run, crash_attempts).state.value
        raise IllegalMoveError(
            "The title of a job can be changed until it begins.", {"state": state, "allowed": ["metadata"]}
        )
    given = {"title": title, "metadata": metadata}
    changed = {name: value for name, value in given.items() if value is not None}
    if changed:
        with translated(f"There is no job {run.id}."):
            await client.update_flow_run(run.id, parameters={**run.parameters, **changed}, name=title or None)


async def _stop(client: PrefectClient, run: FlowRun) -> bool:
    """Bring a run to ``Cancelled``, or to ``Cancelling`` where a worker must end its process.

    Returns:
        False if the run had ended before.
    """
    if run.state is not None and run.state.type is StateType.CRASHED:
        outcome = await propose(client, run.id, Cancelled(message=_CANCELLED))
        return outcome.status is SetStateStatus.ACCEPT
    outcome = await propose(client, run.id, Cancelling(message=_CANCELLED))
    if outcome.status is SetStateStatus.ABORT:
        return False
    is_cancelling = outcome.state is not None and outcome.state.type is StateType.CANCELLING
    # Prefect cancels a waiting run at once only if it never had a process; after a retry the last pid is still on
    # record. From `Cancelling` no worker can start it any more, so this cannot race with one.
    if is_cancelling and await _left_state(client, run.id) is StateType.SCHEDULED:
        await propose(client, run.id, Cancelled(message=_CANCELLED))
    return True


async def take_from_workers(client: PrefectClient, run: FlowRun, message: str) -> bool:
    """Take a waiting run as a worker does, so that no worker can: theirs are told to drop it.

    Args:
        client: Prefect's.
        run: As it was just read.
        message: Why, for the run's history.

    Returns:
        False if it does not wait, or a worker has taken it already.
    """
    if run.state is None or run.state.type is not StateType.SCHEDULED:
        return False
    outcome = await propose(client, run.id, Pending(message=message))
    return outcome.status is SetStateStatus.ACCEPT


async def propose(client: PrefectClient, run_id: UUID, state: State[Any]) -> OrchestrationResult[Any]:
    """Propose a state under Prefect's own rules, which keep two callers from undoing each other."""
    with translated():
        return await client.set_flow_run_state(run_id, state)


def place_from_now(run: FlowRun) -> datetime:
    """Return for when to schedule a run that waits again from now on."""
    now = datetime.now(UTC)
    return place_in_queue(now, run.work_queue_name, priority_of_run(run), now)


async def _left_state(client: PrefectClient, run_id: UUID) -> StateType | None:
    """Return the type of the state that a cancelling run was in before."""
    left = [state.type for state in await read_states(client, run_id) if state.type is not StateType.CANCELLING]
    return left[-1] if left else None


def check_move(run: FlowRun, move: JobMove, crash_attempts: int) -> None:
    """Do nothing if a move can be asked of a job now.

    Raises:
        IllegalMoveError: It cannot.
    """
    if move not in moves_of(run, crash_attempts):
        raise illegal(run, move, crash_attempts)


def illegal(run: FlowRun, move: JobMove, crash_attempts: int) -> IllegalMoveError:
    """Return the refusal of a move, with those that are allowed."""
    state = run_view(run, crash_attempts).state
    allowed = [each.value for each in moves_of(run, crash_attempts)]
    return IllegalMoveError(
        f"A job that is {state.value} cannot be asked to {move.value}.", {"state": state.value, "allowed": allowed}
    )
