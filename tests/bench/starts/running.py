"""A server, and a pool and a worker for each kind, to start runs on and to measure what they cost."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from rich.console import Console

from deployments import components, postgres
from deployments.children import Child
from deployments.environment import isolated
from deployments.stack import Stack
from deployments.warm.control import running_servers
from tests.bench.starts.cpu import Cpu, of_tree, own_and_ended
from tests.bench.starts.kinds import KINDS, WARM_KIND
from tests.bench.starts.outcome import Burst, RunTimes, Start, burst_of
from tests.deployments.warm.sample_pools import make_pool

FLOW = "no-op"
PAGE = 100
TIMEOUT_SECONDS = 120.0
TIMEOUT_SECONDS_A_RUN = 10.0


class Bench:
    """What runs are started on. Lives as long as its workers.

    Args:
        stack: A running stack with a server and Postgres.
        client: Of its server.
        limit: Slots of each pool.
    """

    def __init__(self, stack: Stack, client: SyncPrefectClient, limit: int) -> None:
        self._stack = stack
        self._client = client
        self._limit = limit
        self._workers: dict[str, Child] = {}
        self._deployments: dict[str, UUID] = {}
        for kind in KINDS:
            make_pool(client, kind.name, kind.command, limit)
            self._deployments[kind.name] = client.read_deployment_by_name(f"{FLOW}/{kind.name}").id
            command = kind.worker(components.worker(kind.name, stack.addresses, kind.environment(stack)))
            self._workers[kind.name] = Child(command, stack.home / "log")
        for worker in self._workers.values():
            worker.wait_until_ready()
        self.idle = Cpu()

    def stop(self) -> None:
        """End the workers."""
        for worker in self._workers.values():
            worker.stop()

    def measure_idle(self, seconds: float) -> None:
        """Measure what server and database use each second while the workers poll."""
        before = self._cpu(WARM_KIND.name)
        time.sleep(seconds)
        used = self._cpu(WARM_KIND.name).since(before)
        self.idle = Cpu(0, used.worker / seconds, used.server / seconds, used.database / seconds)

    def start(self, kind: str) -> Start:
        """Trigger one run and return how it went."""
        before, triggered = self._cpu(kind), time.time()
        run = self._client.create_flow_run_from_deployment(self._deployments[kind])
        if lost := self._wait([run.id]):
            raise TimeoutError(f"{kind}: {len(lost)} run did not complete")
        self._wait_for_processes(kind)
        ended = time.time()
        times = self._times(run.id, triggered)
        cpu = self._cpu(kind).since(before).less(self.idle, ended - triggered)
        return Start(kind, times.running, times.ended, cpu)

    def burst(self, kind: str, count: int) -> Burst:
        """Queue many runs at once and return how they went."""
        psutil.cpu_percent()
        before, triggered = self._cpu(kind), time.time()
        runs = [run for first in range(0, count, PAGE) for run in self._create(kind, min(PAGE, count - first))]
        lost = self._wait(runs)
        busy_share = psutil.cpu_percent() / 100
        self._wait_for_processes(kind)
        seconds = time.time() - triggered
        cpu = self._cpu(kind).since(before, count).less(self.idle, seconds / count)
        completed = [self._times(run, triggered) for run in runs if run not in lost]
        return burst_of(kind, count, completed, self._limit, busy_share, cpu)

    def _create(self, kind: str, count: int) -> list[UUID]:
        body = [{"state": {"type": "SCHEDULED"}} for _ in range(count)]
        url = f"{self._stack.prefect_api_url}/deployments/{self._deployments[kind]}/create_flow_run/bulk"
        answer = httpx.post(url, json=body, timeout=60)
        answer.raise_for_status()
        return [UUID(one["flow_run_id"]) for one in answer.json()["results"]]

    def _wait(self, runs: Sequence[UUID]) -> set[UUID]:
        """Wait until all runs have ended; return those that did not complete, or not in time."""
        deadline = time.monotonic() + TIMEOUT_SECONDS + TIMEOUT_SECONDS_A_RUN * len(runs)
        open_runs, lost = set(runs), set()
        while open_runs and time.monotonic() < deadline:
            asked = sorted(open_runs)[:PAGE]
            for run in self._client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=asked))):
                if run.state and run.state.is_final():
                    open_runs.discard(run.id)
                    lost |= set() if run.state.is_completed() else {run.id}
            time.sleep(0.1 if len(runs) == 1 else 0.5)
        return lost | open_runs

    def _times(self, run: UUID, triggered: float) -> RunTimes:
        at: dict[str, float] = {}
        was_late = False
        for state in sorted(self._client.read_flow_run_states(run), key=lambda state: state.timestamp):
            at.setdefault(state.type.value, state.timestamp.timestamp() - triggered)
            was_late = was_late or state.name == "Late"
        return RunTimes(at["PENDING"], at["RUNNING"], at["COMPLETED"], was_late)

    def _wait_for_processes(self, kind: str) -> None:
        """Wait until the processes of the runs have ended: their CPU time counts only then."""
        parents = [psutil.Process(pid) for pid in (self._workers[kind].pid, *_fork_servers(kind))]
        while any(parent.children() for parent in parents):
            time.sleep(0.02)

    def _cpu(self, kind: str) -> Cpu:
        worker, run = own_and_ended(self._workers[kind].pid)
        run += sum(sum(own_and_ended(server)) for server in _fork_servers(kind))
        by_name = {child.name: child for child in self._stack.children}
        return Cpu(run, worker, of_tree(by_name["prefect-server"].pid), of_tree(by_name["postgres"].pid))


def _fork_servers(kind: str) -> list[int]:
    return [server.pid for server in running_servers()] if kind == WARM_KIND.name else []


@contextmanager
def bench(limit: int, report: Console) -> Iterator[Bench]:
    """Start everything, and leave nothing."""
    home = Path(tempfile.mkdtemp(prefix="dailies-bench-"))
    home.chmod(0o711)  # Postgres does not run as root
    with _runtime_directory(home):
        try:
            stack = Stack(home, components=("postgres", "server"), environment=isolated(), report=report.print)
            with stack, SyncPrefectClient(stack.prefect_api_url) as client:
                running = Bench(stack, client, limit)
                try:
                    yield running
                finally:
                    running.stop()
        finally:
            postgres.forget(home)
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _runtime_directory(path: Path) -> Iterator[None]:
    """Keep this benchmark's fork server apart from any other on this machine."""
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(path)
    try:
        yield
    finally:
        os.environ.pop("XDG_RUNTIME_DIR")
        os.environ.update({} if before is None else {"XDG_RUNTIME_DIR": before})
