"""The commands of the stack's components other than Postgres, and how each is seen to be ready."""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import httpx

from deployments.children import Command
from deployments.environment import QUERY_SECONDS, Addresses
from deployments.ports import LOOPBACK
from tasks.reconcile.machine import worker_name

PROJECT = Path(__file__).resolve().parent.parent
PROBE_SECONDS = 5.0
SERVER_NAME = "prefect-server"


def server(addresses: Addresses, environment: Mapping[str, str]) -> Command:
    """Return the Prefect server, with its UI."""
    return Command(
        name=SERVER_NAME,
        argv=prefect_command("server", "start", "--host", LOOPBACK, "--port", str(addresses.prefect_port)),
        environment=environment,
        directory=PROJECT,
        ready=lambda _started_at: _answers(f"{addresses.prefect_api_url}/health"),
        ready_seconds=180,  # the first start migrates its database
    )


def bootstrap(environment: Mapping[str, str]) -> Command:
    """Return the one-shot that migrates the catalogue and registers pools, queues, limits and deployments."""
    return Command(
        name="bootstrap",
        argv=(sys.executable, "-m", "deployments.bootstrap"),
        environment=environment,
        directory=PROJECT,
    )


def worker(pool: str, addresses: Addresses, environment: Mapping[str, str]) -> Command:
    """Return a process worker of one pool; its name says which machine it is on, for the reconciler."""
    name = worker_name(pool)
    return Command(
        name=f"{pool}-worker",
        argv=worker_argv(pool),
        environment={**polling(pool), **environment},
        directory=PROJECT,
        ready=lambda started_at: _worker_is_online(addresses.prefect_api_url, pool, name, started_at),
        ready_seconds=120,
    )


def api(addresses: Addresses, environment: Mapping[str, str]) -> Command:
    """Return the REST API."""
    return Command(
        name="api",
        argv=(sys.executable, "-m", "api"),
        environment={**environment, "DAILIES_API__HOST": LOOPBACK, "DAILIES_API__PORT": str(addresses.api_port)},
        directory=PROJECT,
        ready=lambda _started_at: _answers(f"{addresses.api_url}/api/v1/health"),
    )


def worker_argv(pool: str, *more: str) -> tuple[str, ...]:
    """Return the command line of this machine's worker of a pool."""
    started = ("worker", "start", "--type", "process", "--pool", pool, "--name", worker_name(pool))
    return (sys.executable, "-m", "deployments.worker", *started, *more)


def polling(pool: str) -> dict[str, str]:
    """Return how often the pool's workers ask for work, as the variable that says so."""
    return {"PREFECT_WORKER_QUERY_SECONDS": QUERY_SECONDS[pool]} if pool in QUERY_SECONDS else {}


def prefect_command(*arguments: str) -> tuple[str, ...]:
    """Return a command line of Prefect's, with this interpreter."""
    return (sys.executable, "-m", "prefect", *arguments)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=PROBE_SECONDS).is_success
    except httpx.TransportError:
        return False


def _worker_is_online(prefect_api_url: str, pool: str, name: str, started_at: datetime) -> bool:
    """Say whether the worker has sent a heartbeat since it was started (its predecessor's record has the same name)."""
    try:
        answer = httpx.post(f"{prefect_api_url}/work_pools/{pool}/workers/filter", json={}, timeout=PROBE_SECONDS)
    except httpx.TransportError:
        return False
    if not answer.is_success:
        return False
    return any(
        worker["name"] == name and datetime.fromisoformat(worker["last_heartbeat_time"]) >= started_at
        for worker in answer.json()
    )
