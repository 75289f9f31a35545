"""Pausing and resuming flow runs, by Prefect's own suspension.

A suspended run has no process: it leaves before its next step, or, when asked to stop at once, in the middle of one
(``tasks/stopping.py``). Resumed, it starts from the top and finds what is finished.
"""

from uuid import UUID, uuid4

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.states import Suspended

from api.gateway.moves import check_move, illegal, propose
from api.gateway.runs import read_run
from api.gateway.translation import translated
from data.domain.jobs import JobMove, PauseMode, pause_key

_MESSAGES = {
    PauseMode.AFTER_STEP: "Paused by request, after the step.",
    PauseMode.AT_ONCE: "Paused by request, at once.",
}


async def pause_run(client: PrefectClient, job_id: str, mode: PauseMode, crash_attempts: int) -> None:
    """Suspend a job's run, without a time limit.

    Raises:
        NotFoundError: No such job.
        IllegalMoveError: The job has ended, is paused or is being stopped.
    """
    run = await read_run(client, job_id)
    check_move(run, JobMove.PAUSE, crash_attempts)
    state: State[None] = Suspended(pause_key=pause_key(mode, uuid4().hex), message=_MESSAGES[mode])
    outcome = await propose(client, run.id, state)
    if outcome.status is SetStateStatus.ACCEPT:
        return
    run = await read_run(client, job_id)
    check_move(run, JobMove.PAUSE, crash_attempts)
    await _suspend_waiting(client, run.id)


async def resume_run(client: PrefectClient, job_id: str, crash_attempts: int) -> None:
    """Queue a paused job's run again.

    Raises:
        NotFoundError: No such job.
        IllegalMoveError: The job is not paused, or still pausing.
    """
    run = await read_run(client, job_id)
    check_move(run, JobMove.RESUME, crash_attempts)
    with translated(f"There is no job {job_id}."):
        outcome = await client.resume_flow_run(run.id)
    if outcome.status is not SetStateStatus.ACCEPT:
        raise illegal(await read_run(client, job_id), JobMove.RESUME, crash_attempts)


async def _suspend_waiting(client: PrefectClient, run_id: UUID) -> None:
    """Suspend a run that waits: Prefect suspends only what runs, except by force.

    A worker that has just taken the run cannot start it any more; a process that has just begun sees it and leaves.
    """
    state: State[None] = Suspended(
        pause_key=pause_key(PauseMode.AT_ONCE, uuid4().hex, is_queued=True), message="Paused by request, in the queue."
    )
    with translated():
        await client.set_flow_run_state(run_id, state, force=True)
