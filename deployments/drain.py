"""``python -m deployments.drain``: let workers finish what they have, and take no more.

A stock worker that is told to end stops its runs; they wait in the queue then, and go on after their last finished step
elsewhere. Draining comes before that: the pool is paused (as ``prefect work-pool pause`` does it), so that its workers
take no new runs, and this command returns when the last one has finished. The pool then stays paused until
``prefect work-pool resume``. With ``--worker`` only that worker's runs are waited for; it is ended, if it runs on this
machine, and the pool takes runs again, on its other workers.

Workers of :mod:`deployments.service`, as in containers, need none of this to go one by one: told to end, they drain by
themselves, and their pool goes on (:mod:`deployments.leaving`).
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from data.domain.errors import DailiesError
from deployments.errors import StackError

POLL_SECONDS = 0.5
SETTLE_SECONDS = 3.0
"""A worker that asked for work just before the pause has by then begun it."""
END_SECONDS = 20.0
_WITH_A_PROCESS = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
_RUN_ID = "PREFECT__FLOW_RUN_ID"
_WORKER_LABEL = "prefect.worker.name"


class DrainError(StackError):
    """The runs, or the worker, did not end in time; or there is no such pool."""


def drain(
    client: SyncPrefectClient, pool: str, worker: str | None, timeout_seconds: float, report: Callable[[str], None]
) -> None:
    """Pause a pool and wait until nothing of it runs; with a worker: until nothing of it does, and end it.

    Args:
        client: Of the Prefect API.
        pool: Name of the work pool.
        worker: Name of one worker; None means all.
        timeout_seconds: Longest wait for the runs.
        report: Told what happens, one sentence at a time.

    Raises:
        DrainError: It was in vain; the pool is left as it was found.
    """
    with _paused(client, pool, for_good=worker is None):
        report(f"The work pool {pool} takes no new runs.")
        _await_end(client, pool, worker, timeout_seconds, report)
        if worker is not None:
            _end_worker(worker, str(client.api_url), report)
    if worker is None:
        report(f"Nothing runs. `prefect work-pool resume {pool}` has its workers take runs again.")


@contextmanager
def _paused(client: SyncPrefectClient, pool: str, *, for_good: bool) -> Iterator[None]:
    """Pause a pool; afterwards leave it paused only where that is meant and all went well."""
    try:
        was_paused = client.read_work_pool(pool).is_paused
    except ObjectNotFound as error:
        raise DrainError(f"There is no work pool {pool}.") from error
    client.update_work_pool(pool, WorkPoolUpdate(is_paused=True))
    is_drained = False
    try:
        yield
        is_drained = True
    finally:
        if not was_paused and not (for_good and is_drained):
            client.update_work_pool(pool, WorkPoolUpdate(is_paused=False))


def _await_end(
    client: SyncPrefectClient, pool: str, worker: str | None, timeout_seconds: float, report: Callable[[str], None]
) -> None:
    deadline = time.monotonic() + timeout_seconds
    quiet_since = time.monotonic()
    told: set[str] = set()
    while time.monotonic() - quiet_since < SETTLE_SECONDS:
        runs = _running(client, pool, worker)
        if runs:
            quiet_since = time.monotonic()
        for run in sorted(runs - told):
            report(f"Waiting for the flow run {run}.")
        told |= runs
        if time.monotonic() > deadline:
            raise DrainError(f"{len(runs)} runs had not finished after {timeout_seconds:.0f} s.")
        time.sleep(POLL_SECONDS)


def _running(client: SyncPrefectClient, pool: str, worker: str | None) -> set[str]:
    """Return the ids of the runs under way: of a worker on this machine by its processes, else as Prefect says.

    Prefect may take a run for running whose process died with an earlier worker of the same name.
    """
    if worker is not None and (local := _processes(worker, str(client.api_url))):
        return {run for process in local for child in _children(process) if (run := _environment(child).get(_RUN_ID))}
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_WITH_A_PROCESS))))
    runs = client.read_flow_runs(
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])), flow_run_filter=wanted
    )
    return {str(run.id) for run in runs if worker in (None, run.labels.get(_WORKER_LABEL))}


def _end_worker(worker: str, api_url: str, report: Callable[[str], None]) -> None:
    """End the stock worker of that name and Prefect server, if it runs on this machine."""
    found = _processes(worker, api_url)
    if not found:
        report(f"No process on this machine is the worker {worker}: end it on its own machine now.")
        return
    for process in found:
        process.terminate()
    deadline = time.monotonic() + END_SECONDS
    while left := [process.pid for process in found if not _has_ended(process)]:
        if time.monotonic() > deadline:
            raise DrainError(f"The worker {worker} (process {left[0]}) did not end in {END_SECONDS:.0f} s.")
        time.sleep(POLL_SECONDS)
    report(f"The worker {worker} has ended.")


def _has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE  # its supervisor's to reap
    except psutil.NoSuchProcess:
        return True


def _processes(worker: str, api_url: str) -> list[psutil.Process]:
    """Return the processes on this machine that are that worker.

    Its name is not enough: a worker of another Prefect server may have the same.
    """
    address = api_url.rstrip("/")
    return [
        process
        for process in psutil.process_iter()
        if _environment(process).get("PREFECT_API_URL", "").rstrip("/") == address and _is_worker(process, worker)
    ]


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.Error:
        return []


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _is_worker(process: psutil.Process, name: str) -> bool:
    try:
        command = process.cmdline()
    except psutil.Error:
        return False
    named = any(pair in (("--name", name), ("-n", name)) for pair in pairwise(command))
    return {"worker", "start"} <= set(command) and (named or f"--name={name}" in command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.drain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pool", default="cpu", help="the work pool (default: %(default)s)")
    parser.add_argument("--worker", help="only this worker, by its name; it is ended")
    parser.add_argument(
        "--timeout", type=float, default=86_400.0, metavar="SECONDS", help="longest wait (default: a day)"
    )
    options = parser.parse_args(arguments)
    try:
        with get_client(sync_client=True) as client:
            drain(client, options.pool, options.worker, options.timeout, print)
    except DailiesError as error:
        print(error.message, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Given up; what runs goes on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
