"""Processes on this machine that nobody waits for any more: tools without their run, runs that were to end.

Tools die with the thread that started them, by the kernel's hand, and a fork server's keeper ends what a run leaves;
this is the net below both, for what no kernel feature catches and for systems without them.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from tasks.reconcile.machine import Machine, Marked, end
from tasks.reconcile.runs import read_runs_by_id

TOOL_GRACE = timedelta(seconds=10)
"""A run that ends takes its tools along; this is how long that may take."""
STOP_GRACE = timedelta(seconds=60)
"""A worker asks a cancelled run to end and kills it after 30 s; by then it should be gone."""

_STOPPED = frozenset({StateType.CANCELLING, StateType.CANCELLED})
_DONE = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED})


def end_orphans(client: SyncPrefectClient, machine: Machine) -> list[str]:
    """End the orphans of this installation; return which they were, in words."""
    known = {str(run.id): run for run in _read_known(client, machine)}
    orphans = list(find_orphans(machine, known, datetime.now(UTC)))
    said = {orphan.process.pid: _described(orphan) for orphan in orphans}
    gone = end([orphan.process for orphan in orphans])
    return [said[process.pid] for process in gone]


def find_orphans(machine: Machine, known: Mapping[str, FlowRun], now: datetime) -> Iterator[Marked]:
    """Find the processes that are to end.

    Args:
        machine: The process table, read *before* ``known``.
        known: Those of the runs of the process table that Prefect knows, by id.
        now: The time, aware.
    """
    for tool in machine.tools:
        # That our Prefect knows the run is as good a proof of belonging as the mark.
        is_ours = tool.is_own or tool.run_id in known
        # Not when the run has crashed: while its process lives, that was a mistake.
        is_orphan = tool.has_lost_its_starter or _is_in(known.get(tool.run_id), _DONE, TOOL_GRACE, now)
        if is_ours and is_orphan and now - tool.started_at > TOOL_GRACE:
            yield tool
    for process in machine.runs:
        if _is_in(known.get(process.run_id), _STOPPED, STOP_GRACE, now):
            yield process


def _is_in(run: FlowRun | None, types: frozenset[StateType], longer_than: timedelta, now: datetime) -> bool:
    state = run.state if run else None
    return state is not None and state.type in types and now - state.timestamp > longer_than


def _read_known(client: SyncPrefectClient, machine: Machine) -> list[FlowRun]:
    return read_runs_by_id(client, {marked.run_id for marked in (*machine.runs, *machine.tools)})


def _described(orphan: Marked) -> str:
    return f"process {orphan.process.pid} of run {orphan.run_id}"
