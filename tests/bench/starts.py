"""How soon a run starts and what that costs: warm starts against Prefect's process worker, alternating in one run.

``python -m tests.bench.starts``. The run does nothing, so that everything measured is overhead. Three ways to start
it, on one Prefect server with Postgres:

* **warm**: our pool's command and polling;
* **stock**: a process worker as Prefect makes it, polling every 10 s;
* **polled**: the ordinary command, polled as often as ours: what remains is the new interpreter.

Absolute times of a shared machine mean little; the ratios of neighbouring runs hold.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import httpx
import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from rich.console import Console
from rich.table import Table

from deployments import components, postgres
from deployments.children import Child
from deployments.environment import TUNING
from deployments.stack import Stack
from deployments.warm.control import running_servers
from tests.deployments.warm.sample_pools import ORDINARY, WARM, make_pool

POLL_SECONDS = "0.5"
FLOW = "no-op"
TICKS = os.sysconf("SC_CLK_TCK")
BULK = 100
RUN_TIMEOUT_SECONDS = 120.0
# A plain http API needs no certificates, no CSRF tokens of a server that hands out none, and no check of its version.
OURS = {
    "PREFECT_WORKER_QUERY_SECONDS": POLL_SECONDS,
    "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
    "PREFECT_API_SSL_CERT_FILE": str(components.PROJECT / "deployments/warm/one_certificate.pem"),
}


@dataclass(frozen=True)
class Kind:
    """A way to start runs."""

    name: str
    command: str | None
    tuning: dict[str, str]
    is_tuned: bool = True

    def environment(self, stack: Stack) -> dict[str, str]:
        """Return the environment of its worker; Prefect's own defaults where it is not tuned."""
        kept = {name: value for name, value in stack.environment.items() if self.is_tuned or name not in TUNING}
        return {**kept, "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false", **self.tuning}


KINDS = (
    Kind("warm", WARM, OURS),
    Kind("stock", None, {}, is_tuned=False),
    Kind("polled", ORDINARY, {"PREFECT_WORKER_QUERY_SECONDS": POLL_SECONDS}, is_tuned=False),
)


@dataclass(frozen=True)
class Cpu:
    """CPU-seconds by component."""

    run: float
    worker: float
    server: float
    database: float

    def since(self, before: "Cpu", runs: int = 1) -> "Cpu":
        """Return what was used since then, for each run."""
        return Cpu(*((now - then) / runs for now, then in zip(astuple(self), astuple(before), strict=True)))

    def less(self, idle: "Cpu", seconds: float) -> "Cpu":
        """Return it without what the server and the database would have used anyway; idle is per second."""
        return Cpu(
            self.run,
            self.worker,
            max(0.0, self.server - idle.server * seconds),
            max(0.0, self.database - idle.database * seconds),
        )


def astuple(cpu: Cpu) -> tuple[float, ...]:
    """Return the figures in the order of the fields."""
    return cpu.run, cpu.worker, cpu.server, cpu.database


@dataclass(frozen=True)
class Start:
    """One run of one kind: seconds from trigger to RUNNING and to its end, and what it used."""

    kind: str
    running_seconds: float
    ended_seconds: float
    cpu: Cpu


@dataclass(frozen=True)
class Burst:
    """Runs queued at once: how long until they ran (median, longest), until all had ended, and CPU-seconds a run."""

    kind: str
    count: int
    median_seconds: float
    longest_seconds: float
    all_seconds: float
    cpu: Cpu


class Bench:
    """A server, a pool and a worker for each kind."""

    def __init__(self, stack: Stack, client: SyncPrefectClient, limit: int) -> None:
        self._stack = stack
        self._client = client
        self._workers: dict[str, Child] = {}
        self._deployments: dict[str, UUID] = {}
        for kind in KINDS:
            make_pool(client, kind.name, kind.command, limit)
            self._deployments[kind.name] = client.read_deployment_by_name(f"{FLOW}/{kind.name}").id
            command = components.worker(kind.name, stack.addresses, kind.environment(stack))
            self._workers[kind.name] = Child(command, stack.home / "log")
        for worker in self._workers.values():
            worker.wait_until_ready()
        self.idle = Cpu(0, 0, 0, 0)

    def stop(self) -> None:
        """End the workers."""
        for worker in self._workers.values():
            worker.stop()

    def measure_idle(self, seconds: float) -> None:
        """Measure what server and database use while the workers poll."""
        before = self._cpu("warm")
        time.sleep(seconds)
        used = self._cpu("warm").since(before)
        self.idle = Cpu(0, used.worker / seconds, used.server / seconds, used.database / seconds)

    def start(self, kind: str) -> Start:
        """Trigger one run and return how it went."""
        before, triggered = self._cpu(kind), time.time()
        run = self._client.create_flow_run_from_deployment(self._deployments[kind])
        self._wait([run.id])
        self._wait_for_processes(kind)
        ended = time.time()
        running, finished = self._times(run.id, triggered)
        cpu = self._cpu(kind).since(before).less(self.idle, ended - triggered)
        return Start(kind, running, finished, cpu)

    def burst(self, kind: str, count: int) -> Burst:
        """Queue many runs at once and return how they went."""
        before, triggered = self._cpu(kind), time.time()
        runs = [run for first in range(0, count, BULK) for run in self._create(kind, min(BULK, count - first))]
        self._wait(runs)
        self._wait_for_processes(kind)
        seconds = time.time() - triggered
        times = [self._times(run, triggered) for run in runs]
        cpu = self._cpu(kind).since(before, count).less(self.idle, seconds / count)
        waits = [running for running, _ in times]
        return Burst(kind, count, statistics.median(waits), max(waits), max(end for _, end in times), cpu)

    def _create(self, kind: str, count: int) -> list[UUID]:
        body = [{"state": {"type": "SCHEDULED"}} for _ in range(count)]
        url = f"{self._stack.prefect_api_url}/deployments/{self._deployments[kind]}/create_flow_run/bulk"
        answer = httpx.post(url, json=body, timeout=60)
        answer.raise_for_status()
        return [UUID(one["flow_run_id"]) for one in answer.json()["results"]]

    def _wait(self, runs: Sequence[UUID]) -> None:
        deadline = time.monotonic() + RUN_TIMEOUT_SECONDS + 10 * len(runs)
        left = set(runs)
        while left:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(left)} of {len(runs)} runs had not ended")
            asked = sorted(left)[:BULK]
            found = self._client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=asked)))
            left -= {run.id for run in found if _has_completed(run)}
            time.sleep(0.1 if len(runs) == 1 else 0.5)

    def _times(self, run: UUID, triggered: float) -> tuple[float, float]:
        """Return when the run was running, and when it had ended, in seconds after its trigger."""
        states = self._client.read_flow_run_states(run)
        at: dict[str, datetime] = {state.type.value: state.timestamp for state in states}
        return at["RUNNING"].timestamp() - triggered, at["COMPLETED"].timestamp() - triggered

    def _wait_for_processes(self, kind: str) -> None:
        """Wait until the processes of the runs have ended: their CPU time counts only then."""
        while self._processes_of_runs(kind):
            time.sleep(0.02)

    def _processes_of_runs(self, kind: str) -> list[psutil.Process]:
        parents = [psutil.Process(self._workers[kind].pid)]
        if kind == "warm":
            parents += [psutil.Process(server.pid) for server in running_servers()]
        return [child for parent in parents for child in parent.children()]

    def _cpu(self, kind: str) -> Cpu:
        own, children = _times_of(self._workers[kind].pid)
        if kind == "warm":
            for server in running_servers():
                children += sum(_times_of(server.pid))
        by_name = {child.name: child for child in self._stack.children}
        return Cpu(children, own, _tree(by_name["prefect-server"].pid), _tree(by_name["postgres"].pid))


def _has_completed(run: FlowRun) -> bool:
    assert run.state is not None
    if run.state.is_final() and not run.state.is_completed():
        raise RuntimeError(f"{run.name} ended as {run.state}")
    return run.state.is_completed()


def _times_of(pid: int) -> tuple[float, float]:
    """Return the CPU-seconds of a process and of its children that have ended."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system, times.children_user + times.children_system


def _tree(pid: int) -> float:
    """Return the CPU-seconds of a process, its children and those that have ended."""
    process = psutil.Process(pid)
    return sum(sum(_times_of(one.pid)) for one in (process, *process.children(recursive=True)))


@contextmanager
def bench(limit: int, report: Console) -> Iterator[Bench]:
    """Start everything, and leave nothing."""
    home = Path(tempfile.mkdtemp(prefix="dailies-bench-"))
    home.chmod(0o711)  # Postgres does not run as root
    os.environ["XDG_RUNTIME_DIR"] = str(home)  # for the fork server: apart from any other on this machine
    try:
        stack = Stack(home, components=("postgres", "server"), report=report.print)
        with stack, SyncPrefectClient(stack.prefect_api_url) as client:
            running = Bench(stack, client, limit)
            try:
                yield running
            finally:
                running.stop()
    finally:
        postgres.forget(home)
        shutil.rmtree(home, ignore_errors=True)


def table_of_starts(starts: Sequence[Start]) -> Table:
    """Return latency and CPU-seconds a run, by kind."""
    table = Table(title="one no-op run at a time (medians)", title_justify="left")
    for heading in ("", "→ RUNNING s", "→ ended s", "CPU s: run", "worker", "server", "Postgres", "× warm"):
        table.add_column(heading, justify="right")
    ratio = ratios(starts)
    for kind in KINDS:
        mine = [start for start in starts if start.kind == kind.name]
        figures = [statistics.median(start.running_seconds for start in mine)]
        figures += [statistics.median(start.ended_seconds for start in mine)]
        figures += [statistics.median(column) for column in zip(*(astuple(start.cpu) for start in mine), strict=True)]
        table.add_row(kind.name, *(f"{figure:.2f}" for figure in figures), f"{ratio[kind.name]:.1f}")
    return table


def ratios(starts: Sequence[Start]) -> dict[str, float]:
    """Return how many times as long as warm each kind takes to RUNNING: the median of neighbouring runs."""
    by_kind = {kind.name: [start.running_seconds for start in starts if start.kind == kind.name] for kind in KINDS}
    return {
        name: statistics.median(theirs / ours for theirs, ours in zip(seconds, by_kind["warm"], strict=True))
        for name, seconds in by_kind.items()
    }


def table_of_bursts(bursts: Sequence[Burst]) -> Table:
    """Return how the kinds grow with the number of queued runs."""
    table = Table(title="no-op runs queued at once", title_justify="left")
    headings = ("", "runs", "→ RUNNING s: median", "longest", "all ended s", "runs/s", "CPU s a run: run", "worker")
    for heading in (*headings, "server", "Postgres"):
        table.add_column(heading, justify="right")
    for burst in bursts:
        figures = (burst.median_seconds, burst.longest_seconds, burst.all_seconds, burst.count / burst.all_seconds)
        table.add_row(burst.kind, str(burst.count), *(f"{x:.2f}" for x in (*figures, *astuple(burst.cpu))))
    return table


def table_of_claims(starts: Sequence[Start]) -> tuple[Table, bool]:
    """Return what is promised, what was found, and whether all of it holds."""
    warm = [start for start in starts if start.kind == "warm"]
    median = statistics.median(start.running_seconds for start in warm)
    cpu = statistics.median(start.cpu.run for start in warm)
    claims = (
        ("warm: trigger to RUNNING, median", f"{median:.2f} s", "≤ 1 s", median <= 1.0),
        ("stock / warm: trigger to RUNNING", f"{ratios(starts)['stock']:.1f}", "≥ 5", ratios(starts)["stock"] >= 5),
        ("warm: CPU of launcher and run", f"{cpu:.2f} s", "≤ 1.0 s", cpu <= 1.0),
    )
    table = Table(title="promises", title_justify="left")
    for heading in ("", "found", "promised", "holds"):
        table.add_column(heading)
    for name, found, promise, holds in claims:
        table.add_row(name, found, promise, "yes" if holds else "NO")
    return table, all(holds for *_, holds in claims)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and print it; exit status 1 when a promise does not hold."""
    options = _parse(arguments)
    console = Console()
    starts: list[Start] = []
    bursts: list[Burst] = []
    with bench(options.limit, console) as running:
        for kind in KINDS:
            running.start(kind.name)  # the first run of the warm pool starts its server
        running.measure_idle(options.idle_seconds)
        for number in range(options.rounds):
            for kind in KINDS:
                starts.append(running.start(kind.name))
                console.print(
                    f"round {number + 1}/{options.rounds}  {kind.name:<7} {starts[-1].running_seconds:6.2f} s"
                )
        for count in options.queued:
            for kind in options.queued_kinds:
                bursts.append(running.burst(kind, count))
                console.print(f"{count} queued  {kind:<7} all ended after {bursts[-1].all_seconds:.1f} s")
    claims, kept = table_of_claims(starts)
    for table in (table_of_starts(starts), table_of_bursts(bursts), claims):
        console.print(table)
    if options.json:
        figures = {"starts": [asdict(one) for one in starts], "bursts": [asdict(one) for one in bursts], "kept": kept}
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return 0 if kept else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.starts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds of single runs (default 5)")
    parser.add_argument(
        "--queued", type=_numbers, default=[1, 20], help="how many runs to queue at once (default 1,20; try 1,50,200)"
    )
    parser.add_argument(
        "--queued-kinds",
        type=lambda text: text.split(","),
        default=["warm", "stock"],
        help="which kinds get queues (default warm,stock; the stock worker needs about 3 s a run)",
    )
    parser.add_argument("--limit", type=int, default=8, help="runs at once in each pool (default 8)")
    parser.add_argument("--idle-seconds", type=float, default=8, help="how long to measure the idle server (default 8)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
