"""Work pools whose runs start in different ways, with the sample flows deployed to them."""

import shlex
import sys

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.workers.process import ProcessWorker

from tests.deployments.warm.sample_flows import FLOWS
from tests.deployments.warm.warm_project import ROOT, warm_command

WARM = warm_command(ROOT)
ORDINARY = shlex.join([sys.executable, "-m", "prefect.engine"])


def make_pool(client: SyncPrefectClient, name: str, command: str | None, limit: int | None = None) -> None:
    """Make a work pool, with all sample flows deployed to it under the pool's name.

    Args:
        client: Of the server.
        name: The pool's name.
        command: How its runs start; None for Prefect's own way.
        limit: Runs at once.
    """
    template = ProcessWorker.get_default_base_job_template()
    template["variables"]["properties"]["working_dir"]["default"] = str(ROOT)
    if command:
        template["variables"]["properties"]["command"]["default"] = command
    client.create_work_pool(
        WorkPoolCreate(name=name, type="process", base_job_template=template, concurrency_limit=limit)
    )
    for flow in FLOWS:
        client.create_deployment(
            flow_id=client.create_flow_from_name(flow.name),
            name=name,
            work_pool_name=name,
            entrypoint=f"{flow.fn.__module__}.{flow.fn.__name__}",
            pull_steps=[],
            enforce_parameter_schema=False,
        )
