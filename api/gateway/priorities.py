"""Changing the priority of a job after it was handed in.

Prefect cannot move a run to another work queue; it hands the runs of a queue out by the time for which they are
scheduled, and a run may be scheduled anew. So the priority is a label of the run, and a run that waits is scheduled
so that its queue hands it out accordingly (:func:`data.domain.jobs.place_in_queue`). What the job does from then on
goes by the label: its wait for an encode slot, and the queue of a run that it starts.

Not within reach: a job of ``low`` is handed out after those of ``default`` however high it is raised, one of ``high``
before them however low: Prefect goes by its queues first (``get-runs-from-worker-queues.sql``).
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateDetails, StateType

from api.gateway.jobs import priority_of_run, run_view
from api.gateway.moves import place_from_now, propose, take_from_workers
from api.gateway.runs import due, read_descendants
from api.gateway.translation import translated
from api.schemas import Priority
from data.domain.errors import IllegalMoveError
from data.domain.jobs import PRIORITY_LABEL, TERMINAL_STATES, JobState, place_in_queue, queue_rank

_TOO_LATE = TERMINAL_STATES | {JobState.CANCELLING}


def check_priority(run: FlowRun, crash_attempts: int) -> None:
    """Do nothing if the priority of a job can be changed now.

    Raises:
        IllegalMoveError: The job has ended, or is being cancelled.
    """
    state = run_view(run, crash_attempts).state
    if state in _TOO_LATE:
        raise IllegalMoveError(
            "The priority of a job can be changed until it ends.", {"state": state.value, "allowed": ["metadata"]}
        )


async def change_priority(client: PrefectClient, run: FlowRun, priority: Priority) -> None:
    """Give a job, and the runs that it has started, a priority; what has it already is left alone."""
    for each in (run, *await read_descendants(client, run.id)):
        has_ended = each.state is not None and each.state.is_final() and each.state.type is not StateType.CRASHED
        if has_ended or priority_of_run(each) == priority:
            continue
        now = datetime.now(UTC)
        await _schedule(client, each, priority, place_in_queue(due(each), each.work_queue_name, priority, now))
        with translated(f"There is no job {run.id}."):
            await client.update_flow_run_labels(each.id, {PRIORITY_LABEL: priority.value})


async def keep_priority(client: PrefectClient, run_id: UUID) -> None:
    """Put a run that has just been queued again where its priority says; by itself it goes to the queue's end."""
    with translated(f"There is no job {run_id}."):
        run = await client.read_flow_run(run_id)
    if queue_rank(priority_of_run(run)) < queue_rank(run.work_queue_name):
        await _schedule(client, run, priority_of_run(run), place_from_now(run))


async def _schedule(client: PrefectClient, run: FlowRun, priority: str, at: datetime) -> None:
    """Schedule a waiting run anew; one that has been taken by a worker meanwhile has no place in a queue any more.

    While it is moved no worker can take it, so that none begins it twice; one that is cancelled in that moment stays
    so, for Prefect lets what is being cancelled become nothing else.
    """
    message = f"Of {priority} priority by request."
    if await take_from_workers(client, run, message):
        rise = queue_rank(run.work_queue_name) - queue_rank(priority)
        # Prefect takes for late what is named `Scheduled` and is scheduled for the past.
        name = "Raised" if rise > 0 else "Lowered" if rise < 0 else "Scheduled"
        state: State[Any] = State(
            type=StateType.SCHEDULED, name=name, message=message, state_details=StateDetails(scheduled_time=at)
        )
        await propose(client, run.id, state)
