"""Bring the databases and the Prefect server to where the flows need them; safe to run at every start.

``python -m deployments.bootstrap`` migrates the catalogue, makes the work pools, queues, result storage and automation,
registers the deployments of ``prefect.yaml`` with ``prefect deploy --all``, and puts right what was left running when
the machine went down.
"""

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.filesystems import RemoteFileSystem
from prefect.settings import get_current_settings
from pydantic import BaseModel, SecretStr

from data.database import migrate
from data.settings import Settings, StorageSettings, get_settings
from deployments.components import PROJECT
from deployments.environment import RESULT_BLOCK, result_storage
from deployments.errors import ComponentError
from deployments.pools import apply_pool, wanted_pools
from deployments.rate_limits import apply_rate_limits
from deployments.schedules import kept_schedules, switch_by_settings
from deployments.zombies import apply_automation, crash_silent_runs
from tasks.reconcile.rounds import reconcile

logger = logging.getLogger(__name__)

DEPLOY_SECONDS = 120
SERVER_SECONDS = 120.0
POLL_SECONDS = 0.2
LEAST_HEARTBEAT = 30
UPKEEP = "every-minute"
# Settings that a run needs although Prefect, not we, reads them: the worker may have been started by hand.
RUN_TUNING = (
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY",
    "PREFECT_LOGGING_TO_API_BATCH_INTERVAL",
    "PREFECT_CLIENT_MAX_RETRIES",
    "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED",
)


def bootstrap(settings: Settings, project: Path = PROJECT) -> None:
    """Do everything, in the order of dependence.

    Args:
        settings: This installation's settings.
        project: Folder of ``prefect.yaml`` and of the packages of the flows.

    Raises:
        ComponentError: The Prefect server did not answer, or the deployments could not be registered.
    """
    settings.home_path.mkdir(parents=True, exist_ok=True)
    migrate(settings.catalogue_url)
    environment = run_environment(settings)
    with get_client(sync_client=True) as client:
        wait_for_server(client)
        for pool in wanted_pools(settings.orchestration):
            apply_pool(client, pool, project, environment)
    asyncio.run(_apply_documents(settings))
    with get_client(sync_client=True) as client, kept_schedules(client):
        deploy_all(project)
    with get_client(sync_client=True) as client:
        switch_by_settings(client, settings.batch)
        apply_rate_limits(client, settings.generation)
        resume(client, settings)
        drop_missed_upkeep(client)


def wait_for_server(client: SyncPrefectClient, timeout_seconds: float = SERVER_SECONDS) -> None:
    """Return as soon as the Prefect server answers: it may have been started in the same moment.

    Raises:
        ComponentError: It did not answer in time.
    """
    deadline = time.monotonic() + timeout_seconds
    while (error := client.api_healthcheck()) is not None:
        if time.monotonic() > deadline:
            raise ComponentError(f"The Prefect server at {client.api_url} does not answer: {error}")
        time.sleep(POLL_SECONDS)


async def _apply_documents(settings: Settings) -> None:
    await save_result_storage(settings)
    await apply_automation(crash_silent_runs(get_current_settings().flows.heartbeat_frequency or LEAST_HEARTBEAT))


def run_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that every run gets from its pool, so that a worker started by hand does as well.

    Everything that was set, but no secrets: those come from the worker's own environment.
    """
    prefect = get_current_settings().to_environment_variables(exclude_unset=True)
    explicit = {
        **dict(_explicit(settings, "DAILIES_")),
        "DAILIES_HOME": str(settings.home_path),
        **{name: prefect[name] for name in RUN_TUNING if name in prefect},
        **result_storage(settings.storage_url),
    }
    return {name: value for name, value in explicit.items() if not _holds_password(value)}


def _explicit(settings: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    """Give each field that somebody set, as the environment variable that sets it."""
    for field in sorted(settings.model_fields_set):
        value = getattr(settings, field)
        name = f"{prefix}{field.upper()}"
        if isinstance(value, BaseModel):
            yield from _explicit(value, f"{name}__")
        elif value is not None and not _holds_secret(value):
            yield name, str(value) if isinstance(value, str | Path) else orjson.dumps(value, default=_plain).decode()


def _plain(value: object) -> object:
    return value.model_dump(mode="json", exclude_unset=True) if isinstance(value, BaseModel) else str(value)


def _holds_secret(value: object) -> bool:
    """Say whether a value is a secret, or a list of things of which one has a secret."""
    if isinstance(value, list):
        return any(_holds_secret(each) for each in value)
    if isinstance(value, BaseModel):
        return any(_holds_secret(getattr(value, field)) for field in type(value).model_fields)
    return isinstance(value, SecretStr)


def _holds_password(value: str) -> bool:
    return "://" in value and urlsplit(value).password is not None


async def save_result_storage(settings: Settings) -> None:
    """Keep task results in the bucket when the object store is one; a local store needs no block.

    The keys are not in it (its settings can be read through Prefect's API): s3fs takes them from the environment.
    """
    if urlsplit(settings.storage_url).scheme == "file":
        return
    wanted = RemoteFileSystem(
        basepath=f"{settings.storage_url.rstrip('/')}/results", settings=_filesystem_settings(settings.storage)
    )
    name = RESULT_BLOCK.rpartition("/")[2]
    try:
        existing = await RemoteFileSystem.aload(name)
    except ValueError:  # Prefect's word for: there is none
        existing = None
    if existing is None or (existing.basepath, existing.settings) != (wanted.basepath, wanted.settings):
        await wanted.asave(name, overwrite=True)


def _filesystem_settings(storage: StorageSettings) -> dict[str, Any]:
    client: dict[str, Any] = {"region_name": storage.region}
    if storage.endpoint_url:
        client["endpoint_url"] = storage.endpoint_url
    return {"client_kwargs": client}


def deploy_all(project: Path, report: Callable[[str], None] = logger.info) -> None:
    """Register the deployments of ``prefect.yaml``, as anybody would by hand.

    Raises:
        ComponentError: Prefect refused one of them.
    """
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEPLOY_SECONDS,
        check=False,
    )
    output = f"{done.stdout}\n{done.stderr}".strip()
    if done.returncode != 0:
        raise ComponentError(f"`prefect deploy --all` failed with exit code {done.returncode}:\n{output}")
    report(output)


def resume(client: SyncPrefectClient, settings: Settings) -> None:
    """Put right what a machine that went down left running, so that the queue goes on with the first worker.

    It is safe at any time, but best before the workers start: what they had taken is known to be lost at once then.
    """
    home, api_url = settings.home_path, str(client.api_url)
    for kind, what in reconcile(client, home, api_url, settings.orchestration.crash_attempts).items():
        for each in what:
            logger.info("%s: %s", kind, each)


def drop_missed_upkeep(client: SyncPrefectClient) -> int:
    """Delete the upkeep runs that fell due while nothing ran, and return how many.

    Otherwise the workers go through each of them first, and the first job waits for half a minute.
    """
    due = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
    )
    upkeep = DeploymentFilter(name=DeploymentFilterName(any_=[UPKEEP]))
    # One page is enough: Prefect schedules at most 100 runs ahead.
    runs = client.read_flow_runs(flow_run_filter=due, deployment_filter=upkeep)
    missed = [run.id for run in runs if run.auto_scheduled]
    for run_id in missed:
        client.delete_flow_run(run_id)
    return len(missed)


def main() -> None:
    """Carry out the command line."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    bootstrap(get_settings())


if __name__ == "__main__":
    main()
