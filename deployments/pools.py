"""Work pools and their queues, as the server has them after bootstrap.

What a person changed in the Prefect UI stays: a limit is only written when the pool is made, or when the setting names
it; of the job template only our own defaults are written.
"""

import copy
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import WorkPool
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from data.domain.jobs import QUEUES
from data.settings import OrchestrationSettings
from tasks.media.cores import usable_cores

POOL_TYPE = "process"
LAUNCHER = Path(__file__).with_name("warm") / "launch.py"
NVIDIA_TIMEOUT_SECONDS = 20
CONTROL_SLOTS = 50


@dataclass(frozen=True)
class Pool:
    """A work pool as it shall be; ``limit`` 0 leaves the choice to ``default_limit`` and to the UI."""

    name: str
    description: str
    limit: int
    default_limit: int


def wanted_pools(settings: OrchestrationSettings) -> tuple[Pool, ...]:
    """Return our pools for this machine."""
    return (
        Pool(
            "cpu",
            "Ingest, transcode, publish: more runs than cores; encodes wait for slots.",
            settings.cpu_slots,
            cpu_slots(),
        ),
        Pool("gpu", "The AI stage: one run for each GPU.", settings.gpu_slots, max(1, gpu_count())),
        Pool("control", "Feeds of batches and upkeep: light, never behind media work.", 0, CONTROL_SLOTS),
    )


def cpu_slots() -> int:
    """Return how many runs the cores carry: two each, at least 4.

    What keeps cores busy, the encodes, is bounded by encode slots (:mod:`tasks.media.slots`), so that one run may
    ingest, publish, or wait for its child on the ``gpu`` pool while others encode.
    """
    return max(4, 2 * usable_cores())


def gpu_count(devices: Path = Path("/dev")) -> int:
    """Return the number of NVIDIA GPUs: as the driver's tool lists them, else by their device files."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=NVIDIA_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return sum(1 for path in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name))
    return sum(1 for line in listed.stdout.splitlines() if line.startswith("GPU "))


def job_template(current: Mapping[str, Any], project: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the base job template with our defaults in it.

    Args:
        current: The template as it is.
        project: Folder in which runs start, so that ``flows`` can be imported.
        environment: Variables that every run gets, whoever started its worker; no secrets.
    """
    template = copy.deepcopy(dict(current))
    properties = template["variables"]["properties"]
    properties["working_dir"]["default"] = str(project)
    # Warm: the launcher has a fork server run `prefect.engine`, or runs it itself where there is none.
    properties["command"]["default"] = shlex.join([sys.executable, "-I", "-S", str(LAUNCHER), "-m", "prefect.engine"])
    properties["env"]["default"] = {**(properties["env"].get("default") or {}), **environment}
    return template


def apply_pool(client: SyncPrefectClient, pool: Pool, project: Path, environment: Mapping[str, str]) -> WorkPool:
    """Create the pool, or bring it up to date, with its queues."""
    try:
        existing = client.read_work_pool(pool.name)
    except ObjectNotFound:
        existing = client.create_work_pool(_new_pool(pool, project, environment))
    else:
        _update_pool(client, existing, pool, project, environment)
    _apply_queues(client, pool.name)
    return existing


def _new_pool(pool: Pool, project: Path, environment: Mapping[str, str]) -> WorkPoolCreate:
    return WorkPoolCreate(
        name=pool.name,
        type=POOL_TYPE,
        description=pool.description,
        base_job_template=job_template(ProcessWorker.get_default_base_job_template(), project, environment),
        concurrency_limit=pool.limit or pool.default_limit,
    )


def _update_pool(
    client: SyncPrefectClient, existing: WorkPool, pool: Pool, project: Path, environment: Mapping[str, str]
) -> None:
    changes: dict[str, Any] = {}
    template = job_template(existing.base_job_template, project, environment)
    if template != existing.base_job_template:
        changes["base_job_template"] = template
    if pool.limit and pool.limit != existing.concurrency_limit:
        changes["concurrency_limit"] = pool.limit
    if changes:
        client.update_work_pool(pool.name, WorkPoolUpdate(**changes))


def _apply_queues(client: SyncPrefectClient, pool_name: str) -> None:
    """Make the queues that are missing; a new pool comes with ``default``, which moves down for ``high``."""
    existing = {queue.name for queue in client.read_work_queues(work_pool_name=pool_name)}
    for name, priority in QUEUES.items():
        if name not in existing:
            client.create_work_queue(name, work_pool_name=pool_name, priority=priority)
