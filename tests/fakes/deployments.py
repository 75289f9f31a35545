"""The deployments of the product on a Prefect server of the tests, without code behind them.

Test modules share a server. Each registers what it needs before its first test: another may have left it otherwise.
"""

import uuid

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate

from data.domain.jobs import WORK_POOLS

_DEPLOYMENTS = (
    ("process-asset", "on-demand", "cpu", ["dailies-job"]),
    ("process-items", "on-demand", "cpu", ["dailies-item"]),
    ("generate-asset", "on-demand", "gpu", []),
    ("analyze-asset", "on-demand", "gpu", ["dailies-job"]),
    ("check-providers", "on-demand", "control", []),
    ("settle-generations", "on-demand", "control", []),
    ("update-copies", "on-demand", "cpu", []),
    ("process-batch", "on-demand", "control", ["dailies-batch"]),
    ("process-batch", "nightly", "control", ["dailies-batch"]),
    ("maintenance", "every-minute", "control", []),
)


def register(client: SyncPrefectClient, cpu_slots: int | None = None) -> dict[str, uuid.UUID]:
    """Make the work pools and deployments as they should be, and return the deployments' ids by `flow/name`."""
    for pool in WORK_POOLS:
        limit = cpu_slots if pool == "cpu" else None
        client.create_work_pool(WorkPoolCreate(name=pool, type="process", concurrency_limit=limit), overwrite=True)
    return {
        f"{flow}/{name}": client.create_deployment(
            flow_id=client.create_flow_from_name(flow), name=name, work_pool_name=pool, tags=tags
        )
        for flow, name, pool, tags in _DEPLOYMENTS
    }
