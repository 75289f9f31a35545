"""Flow runs whose process is gone: ``Crashed``, ``Cancelled``, or back in the queue.

Prefect hears of a dead process only from the worker that watched it. When that one died too, the run would stay as it
was, and keep its slot, for ever. The order of looking is what makes this safe: first Prefect's view of the runs, then
the process table, then Prefect's view once more. A process says how its run ended *before* it ends; so a run that is
the same at both looks, and whose process is not in the table between them, has lost it. States are proposed by
Prefect's own rules, never forced: whoever was faster is right.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed, Scheduled

from data.domain.errors import ProcessLostError
from data.domain.jobs import WORK_POOLS, place_in_queue, priority_of
from tasks.reconcile.machine import Machine

START_GRACE = timedelta(seconds=20)
"""From a worker's decision to the run's process: a cold one needs about 10 s on a busy machine."""
SILENCE = timedelta(seconds=60)
"""How long a worker that took a run may say nothing before it is taken for dead."""
MISSED_HEARTBEATS = 3
WORKER_LABEL = "prefect.worker.name"
PREFECT_ROWS = 200
"""Prefect's own limit of rows an answer."""

_OUR_POOLS = WorkPoolFilter(name=WorkPoolFilterName(any_=list(WORK_POOLS)))
_HELD = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


@dataclass(frozen=True)
class PutRight:
    """A run whose state was put right."""

    run_id: str
    name: str
    was: str
    became: str


@dataclass(frozen=True)
class HeldRun:
    """A run that holds a slot, and what tells whether somebody still works on it."""

    run: FlowRun
    state: State[Any]
    before: State[Any]
    """The state in which its worker left it: the same, or what was before somebody asked for its end."""

    @property
    def worker(self) -> str | None:
        """The worker that has this attempt; ``None`` while it has not said so."""
        if self.before.type is StateType.RUNNING or (self.before.is_pending() and self.before.name != "Pending"):
            name = self.run.labels.get(WORKER_LABEL)
            return str(name) if name else None
        return None  # a label there may be is the last attempt's


def put_runs_right(client: SyncPrefectClient, look: Callable[[], Machine]) -> list[PutRight]:
    """Find runs that hold a slot without a process, and give each the state that it should have.

    Args:
        client: Prefect's.
        look: Reads the process table.
    """
    held = [_with_last_state(client, run) for run in _read_held(client)]
    machine = look()
    now, live_workers = datetime.now(UTC), read_live_workers(client)
    found = []
    for each in held:
        if is_lost(each, machine, live_workers, now):
            state = state_after(each, machine)
            if propose(client, each.run, state):
                was, became = each.state.name or "", state.name or ""
                found.append(PutRight(str(each.run.id), each.run.name, was, became))
    return found


def is_lost(held: HeldRun, machine: Machine, live_workers: frozenset[str], now: datetime) -> bool:
    """Say whether nobody works on a run any more. A run whose process lives here is never lost.

    Args:
        held: The run as Prefect saw it before the process table was read.
        machine: The process table.
        live_workers: Names of the workers on any machine that sent a heartbeat lately.
        now: The time, aware.
    """
    if str(held.run.id) in machine.running:
        return False
    age, worker = now - held.state.timestamp, held.worker
    if worker is not None and machine.is_home_of(worker):
        # A worker that is gone can start nothing any more; one that lives may be about to.
        return machine.is_whole and (worker not in machine.workers or age > START_GRACE)
    if held.before.type is StateType.RUNNING:
        return False  # on another machine: its heartbeats tell, see deployments/zombies.py
    is_asked_to_end = held.state.type is StateType.CANCELLING
    return age > SILENCE and (worker is None or is_asked_to_end or worker not in live_workers)


def state_after(held: HeldRun, machine: Machine) -> State[Any]:
    """Return the state that a lost run gets: what a person asked for, else another chance."""
    if held.state.type is StateType.CANCELLING:
        return Cancelled(message="Cancelled by request.")
    if held.state.type is StateType.RUNNING:
        return Crashed(message=str(ProcessLostError(f"The run's process on {machine.name} is gone.")))
    message = "The worker that had taken the run is gone; any other may take it."
    return Scheduled(message=message, scheduled_time=old_place(held.run))


def old_place(run: FlowRun) -> datetime:
    """Return for when to schedule a run, for it to come into its queue where it was before it was taken from there."""
    now, queue = datetime.now(UTC), run.work_queue_name
    return place_in_queue(run.expected_start_time or now, queue, priority_of(run.labels, queue), now)


def propose(client: SyncPrefectClient, run: FlowRun, state: State[Any]) -> bool:
    """Propose a state for a run if it is still in the state that it was seen in; say whether Prefect took it.

    Between the look and the proposal there are milliseconds in which somebody may ask for the run's end; Prefect lets a
    run that is being cancelled become nothing else, and one that has ended not crash.
    """
    try:
        current = client.read_flow_run(run.id)
        if current.state is None or run.state is None or current.state.id != run.state.id:
            return False
        return client.set_flow_run_state(run.id, state).status is SetStateStatus.ACCEPT
    except ObjectNotFound:
        return False


def read_runs(client: SyncPrefectClient, wanted: FlowRunFilter, pools: WorkPoolFilter | None = None) -> list[FlowRun]:
    """Read all flow runs that a filter finds, page by page."""
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            flow_run_filter=wanted, work_pool_filter=pools, limit=PREFECT_ROWS, offset=len(found)
        )
        found += page
        if len(page) < PREFECT_ROWS:
            return found


def read_runs_by_id(client: SyncPrefectClient, run_ids: Collection[str]) -> list[FlowRun]:
    """Read the flow runs with the given ids; without those that there are not, or that are no ids of runs."""
    wanted = [UUID(run_id) for run_id in sorted(run_ids) if _is_uuid(run_id)]
    return [
        run
        for start in range(0, len(wanted), PREFECT_ROWS)
        for run in read_runs(client, FlowRunFilter(id=FlowRunFilterId(any_=wanted[start : start + PREFECT_ROWS])))
    ]


def of_types(types: list[StateType]) -> FlowRunFilterState:
    """Return the filter of runs whose state is of one of the types."""
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=types))


def read_live_workers(client: SyncPrefectClient) -> frozenset[str]:
    """Return the names of the workers of our pools that sent a heartbeat lately."""
    now, live = datetime.now(UTC), set()
    for pool in client.read_work_pools(work_pool_filter=_OUR_POOLS):
        for worker in client.read_workers_for_work_pool(pool.name):
            limit = max(SILENCE, timedelta(seconds=MISSED_HEARTBEATS * (worker.heartbeat_interval_seconds or 0)))
            if worker.last_heartbeat_time and now - worker.last_heartbeat_time < limit:
                live.add(worker.name)
    return frozenset(live)


def _read_held(client: SyncPrefectClient) -> list[FlowRun]:
    return read_runs(client, FlowRunFilter(state=of_types(_HELD)), _OUR_POOLS)


def _with_last_state(client: SyncPrefectClient, run: FlowRun) -> HeldRun:
    assert run.state is not None
    before = _state_before_cancelling(client, run.id) if run.state.type is StateType.CANCELLING else None
    return HeldRun(run, run.state, before or run.state)


def _state_before_cancelling(client: SyncPrefectClient, run_id: UUID) -> State[Any] | None:
    states = sorted(client.read_flow_run_states(run_id), key=lambda state: state.timestamp)
    return next((state for state in reversed(states) if state.type is not StateType.CANCELLING), None)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
