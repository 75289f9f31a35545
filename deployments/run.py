"""``python -m deployments.run COMPONENT``: one component of the stack in the foreground, for the ``Procfile``.

The addresses are fixed (``DAILIES_API__PORT``, ``PREFECT_SERVER_API_PORT``), so that processes started apart find each
other; what a component needs, it waits for.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import httpx
from prefect.settings import get_current_settings

from data.domain.errors import DailiesError
from data.settings import Settings, get_settings
from deployments import components, postgres
from deployments.children import Command, guarded
from deployments.environment import Addresses, child_environment
from deployments.errors import StackError, StackRunningError
from deployments.note import take_lock
from deployments.stack import API, BOOTSTRAP_SECONDS, CPU_WORKER, POSTGRES, SERVER, WORKER_POOLS

POSTGRES_PORT = 54320
STACK_ID = "procfile"
WAIT_SECONDS = 180.0
POLL_SECONDS = 0.5
COMPONENTS = (POSTGRES, SERVER, *WORKER_POOLS, API)


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out the command line; does not return."""
    parser = argparse.ArgumentParser(prog="python -m deployments.run", description=__doc__)
    parser.add_argument("component", choices=COMPONENTS)
    component = parser.parse_args(arguments).component
    settings = get_settings()
    home = settings.home_path
    for name in ("prefect", "store", "scratch"):
        (home / name).mkdir(parents=True, exist_ok=True)
    cluster = postgres.located(home, POSTGRES_PORT)
    addresses = _addresses(settings, cluster)
    environment = child_environment(home, STACK_ID, addresses, components.PROJECT, {})
    try:
        command = _command(component, home, addresses, environment)
        _prepare(component, cluster, addresses, environment)
    except DailiesError as error:
        sys.exit(str(error))
    _become(command)


def _become(command: Command) -> NoReturn:
    """Let the component take this process's place."""
    os.chdir(command.directory)
    argv = guarded(command, parent_pid=os.getppid())
    os.execve(argv[0], argv, dict(command.environment))  # noqa: S606  # no shell


def _addresses(settings: Settings, cluster: postgres.EmbeddedPostgres) -> Addresses:
    return Addresses(
        api_port=settings.api.port,
        prefect_port=get_current_settings().server.api.port,
        prefect_database_url=cluster.url("postgresql+asyncpg", "prefect"),
        catalogue_url=settings.catalogue.url or cluster.url("postgresql+psycopg", "catalogue"),
        storage_url=settings.storage_url,
    )


def _command(component: str, home: Path, addresses: Addresses, environment: dict[str, str]) -> Command:
    if component == POSTGRES:
        lock = take_lock(home)
        if lock is None:
            raise StackRunningError(f"Another stack uses {home}.", {"home": str(home)})
        # Held by the server that takes this process's place; as a bare descriptor, which nothing here closes.
        os.set_inheritable(os.dup(lock.fileno()), True)
        return postgres.prepare(home, POSTGRES_PORT).command(environment)
    if component == SERVER:
        return components.server(addresses, environment)
    if component == API:
        return components.api(addresses, environment)
    return components.worker(WORKER_POOLS[component], addresses, environment)


def _prepare(
    component: str, cluster: postgres.EmbeddedPostgres, addresses: Addresses, environment: dict[str, str]
) -> None:
    """Wait for what the component needs; the server makes the databases, the first worker does the bootstrap."""
    if component == SERVER:
        _wait(cluster.answers, "Postgres")
        cluster.create_databases()
    if component in (*WORKER_POOLS, API):
        _wait(lambda: _answers(f"{addresses.prefect_api_url}/health"), "the Prefect server")
    if component == CPU_WORKER:
        command = components.bootstrap(environment)
        subprocess.run(
            command.argv, cwd=command.directory, env=dict(environment), timeout=BOOTSTRAP_SECONDS, check=True
        )
    elif component in WORKER_POOLS:
        pool = WORKER_POOLS[component]
        _wait(lambda: _answers(f"{addresses.prefect_api_url}/work_pools/{pool}"), "the bootstrap")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def _wait(is_there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_there():
        if time.monotonic() > deadline:
            raise StackError(f"Waited {WAIT_SECONDS:.0f} s in vain for {what}.")
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
