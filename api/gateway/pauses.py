"""Pausing and resuming flow runs, by Prefect's own suspension.

A suspended run has no process: it leaves before its next step, or, when asked to stop at once, in the middle of one
(``tasks/stopping.py``). Resumed, it starts from the top and finds what is finished.
"""

import asyncio
import time
from uuid import UUID, uuid4

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.states import Suspended

from api.gateway.moves import check_move, illegal, propose, take_from_workers
from api.gateway.priorities import keep_priority
from api.gateway.runs import read_run
from api.gateway.translation import translated
from data.domain.jobs import JobMove, PauseMode, pause_key

_SUBMITTING_SECONDS = 1.0
"""A worker that was told of a run has tried to take it by then."""
_START_SECONDS = 15.0
"""A run that a worker has taken runs by then, unless that worker is gone."""
_POLL_SECONDS = 0.2
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
    run = await _checked_run(client, job_id, crash_attempts)
    deadline = time.monotonic() + _START_SECONDS
    while not await _suspend_running(client, run.id, mode):
        run = await _checked_run(client, job_id, crash_attempts)
        # Prefect's worker ends, with all it runs, when a run that it has been told of is suspended before it has tried
        # to take it. One that has taken it is let go on until the run can be suspended in the usual way.
        if await take_from_workers(client, run, "Is being paused in the queue."):
            await asyncio.sleep(_SUBMITTING_SECONDS)
            await _suspend_waiting(client, run.id)
            break
        if time.monotonic() > deadline:
            await _suspend_waiting(client, run.id)
            break
        await asyncio.sleep(_POLL_SECONDS)


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
    await keep_priority(client, run.id)


async def _checked_run(client: PrefectClient, job_id: str, crash_attempts: int) -> FlowRun:
    run = await read_run(client, job_id)
    check_move(run, JobMove.PAUSE, crash_attempts)
    return run


async def _suspend_running(client: PrefectClient, run_id: UUID, mode: PauseMode) -> bool:
    state: State[None] = Suspended(pause_key=pause_key(mode, uuid4().hex), message=_MESSAGES[mode])
    outcome = await propose(client, run_id, state)
    return outcome.status is SetStateStatus.ACCEPT


async def _suspend_waiting(client: PrefectClient, run_id: UUID) -> None:
    """Suspend a run that waits: Prefect suspends only what runs, except by force."""
    state: State[None] = Suspended(
        pause_key=pause_key(PauseMode.AT_ONCE, uuid4().hex, is_queued=True), message="Paused by request, in the queue."
    )
    with translated():
        await client.set_flow_run_state(run_id, state, force=True)
