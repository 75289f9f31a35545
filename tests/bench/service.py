"""Reads of a job's status: this API over Prefect against FastAPI + Celery + Redis, in turns on one machine.

``python -m tests.bench.service``: a Prefect server with Postgres, the API, a Redis and the reference run side by side;
clients that keep their connections poll a set of running jobs, each as fast as it is answered, and as people poll. They
are no more than connections: with httpx, the clients took twice as long as either service, and that was measured.

What each does for one read, with one process of uvicorn and no login:

- Dailies finds the caller, counts the call against two limits, opens a trace, takes the job from what all readers
  share (Prefect is asked for all of them together, twice a second, whatever their number), and writes its ``ETag``,
  security headers, metrics and a line in the access log.
- The reference reads the task's state from Celery's result backend in Redis, each time, and writes uvicorn's own access
  log, as it does by default: it knows no callers, limits, metrics or traces. Its state is that of the moment; ours is
  up to a second old, two in a crowd.

The CPU time of a read is that of the serving process alone, with what it does in the background; what Prefect, Postgres
and Redis spend is not in it.
"""

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateType

from deployments.environment import isolated
from deployments.ports import free_ports
from deployments.stack import API, BOOTSTRAP, POSTGRES, SERVER, Stack
from tests.bench.starts.cpu import of_tree
from tests.fakes.processes import wait_until
from tests.fakes.redis_server import redis_server

JOBS = 40


@dataclass(frozen=True)
class Side:
    """One of the two services."""

    name: str
    url: str
    jobs: Sequence[str]
    pid: int
    """Of the process that serves, or that has those as children."""


@dataclass(frozen=True)
class Round:
    """What one round of one side came to."""

    reads_per_second: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    """Of the serving processes, for each read."""
    errors: int


async def poll(side: Side, clients: int, seconds: float, pause_seconds: float) -> Round:
    """Let so many clients read statuses for a while."""
    times: list[float] = []
    errors = 0
    ends = time.perf_counter() + seconds
    before = of_tree(side.pid)

    async def one(number: int) -> None:
        nonlocal errors
        await asyncio.sleep(pause_seconds * number / clients)
        async with connected(side.url) as get:
            turn = number
            while time.perf_counter() < ends:
                began = time.perf_counter()
                status = await get(f"/api/v1/jobs/{side.jobs[turn % len(side.jobs)]}")
                times.append((time.perf_counter() - began) * 1000)
                errors += status != 200
                turn += 1
                await asyncio.sleep(pause_seconds)

    await asyncio.gather(*(one(number) for number in range(clients)))
    cuts = statistics.quantiles(times, n=20)
    cpu_ms = (of_tree(side.pid) - before) / len(times) * 1000
    return Round(len(times) / seconds, statistics.median(times), cuts[-1], cpu_ms, errors)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Callable[[str], Awaitable[int]]]:
    """Open a connection, and give what reads a path over it to the end and returns the status."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    headers = f"Host: {address.netloc.decode()}\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n"

    async def get(path: str) -> int:
        writer.write(f"GET {path} HTTP/1.1\r\n{headers}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        assert length, "both services say how long their answers are"
        await reader.readexactly(int(length[1]))
        return int(head.split(maxsplit=2)[1])

    try:
        yield get
    finally:
        writer.close()
        await writer.wait_closed()


@contextmanager
def ours(home: Path, workers: int) -> Iterator[Side]:
    """Run the API over Prefect, with jobs that are under way."""
    environment = {
        **isolated(),
        "DAILIES_API__WORKERS": str(workers),
        "DAILIES_INGEST__ALLOWED_ROOTS": f'["{home.parent}"]',
    }
    parts = (POSTGRES, SERVER, BOOTSTRAP, API)
    with (
        Stack(home, components=parts, environment=environment) as stack,
        SyncPrefectClient(stack.prefect_api_url) as prefect,
    ):
        jobs = [_job(stack.api_url, home.parent / "a.mp4") for _ in range(JOBS)]
        for job in jobs:
            for kind in (StateType.PENDING, StateType.RUNNING):
                prefect.request("POST", f"/flow_runs/{job}/set_state", json=_state(kind))
            report = {"type": "progress", "data": 42, "description": "transcode", "flow_run_id": job}
            prefect.request("POST", "/artifacts/", json=report)
        yield Side("Dailies", stack.api_url, jobs, _listener(stack.api_url))


@contextmanager
def reference(home: Path, workers: int) -> Iterator[Side]:
    """Run FastAPI + Celery + Redis, with tasks that are under way."""
    [port] = free_ports(1)
    with ExitStack() as running:
        url = running.enter_context(redis_server(home))
        command = [sys.executable, "-m", "uvicorn", "tests.bench.celery_reference.app:app", "--port", str(port)]
        command += ["--workers", str(workers)]
        log = running.enter_context((home / "reference.log").open("wb"))
        process = subprocess.Popen(
            command,
            env={**os.environ, "REFERENCE_REDIS": url},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # as our API is: Linux shares processors out by sessions
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until(lambda: _answers(f"{address}/openapi.json"), 60, "the reference to start")
            jobs = [_job(address, home / "a.mp4") for _ in range(JOBS)]
            yield Side("FastAPI + Celery + Redis", address, jobs, process.pid)
        finally:
            process.terminate()
            process.wait(20)


def _state(kind: StateType) -> dict[str, object]:
    return {"state": State(type=kind).model_dump(mode="json", include={"type", "name"}), "force": True}


def _job(url: str, source: Path) -> str:
    answer = httpx.post(f"{url}/api/v1/jobs", json={"source": str(source), "metadata": {"a": 1}}, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _listener(url: str) -> int:
    """Return the process that was started to serve an address: of several that share a socket, the first."""
    port = httpx.URL(url).port
    return next(
        process.pid
        for process in psutil.Process().children(recursive=True)
        if any(each.laddr.port == port for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN)
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def compare(sides: Sequence[Side], rounds: int, clients: int, seconds: float, pause_seconds: float) -> float:
    """Print what each side's rounds came to, and return the median of the ratios of p50 (ours to the reference's)."""
    found: dict[str, list[Round]] = {side.name: [] for side in sides}
    for number in range(rounds + 1):
        for side in sides if number % 2 else reversed(sides):
            result = asyncio.run(poll(side, clients, seconds if number else 1.0, pause_seconds))
            if number:
                found[side.name].append(result)
    for name, runs in found.items():
        print(
            f"  {name:26} {statistics.median(run.reads_per_second for run in runs):7.0f} reads/s   "
            f"p50 {statistics.median(run.p50_ms for run in runs):6.1f} ms   "
            f"p95 {statistics.median(run.p95_ms for run in runs):6.1f} ms   "
            f"CPU {statistics.median(run.cpu_ms for run in runs):5.2f} ms a read   "
            f"errors {sum(run.errors for run in runs)}"
        )
    pairs = list(zip(*found.values(), strict=True))
    for label, pick in (
        ("p50", lambda run: run.p50_ms),
        ("p95", lambda run: run.p95_ms),
        ("CPU", lambda run: run.cpu_ms),
    ):
        print(f"  ratio of {label}: {statistics.median(pick(mine) / pick(other) for mine, other in pairs):.2f}")
    return statistics.median(mine.p50_ms / other.p50_ms for mine, other in pairs)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one round")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between the polls of one client")
    parser.add_argument("--workers", type=int, default=1, help="processes of each service")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dailies-bench-") as folder, ExitStack() as running:
        home = Path(folder)
        home.chmod(0o711)
        (home / "a.mp4").write_bytes(b"")
        (home / "stack").mkdir(mode=0o711)
        sides = [
            running.enter_context(ours(home / "stack", options.workers)),
            running.enter_context(reference(home, options.workers)),
        ]
        print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"{options.clients} clients, each a poll every {options.pause:g} s")
        compare(sides, options.rounds, options.clients, options.seconds, options.pause)
        print("8 clients, each as fast as it is answered")
        compare(sides, options.rounds, 8, options.seconds, 0.0)
        print(f"load average after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
