"""The canary: does a scheduled run really start?

Upkeep is scheduled every minute, so it is one already: its last start proves that Prefect's scheduler makes runs, that
a worker takes them, and that their processes come up. It costs nothing more than a look.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterStartTime,
)
from prefect.client.schemas.sorting import FlowRunSort

from api.gateway.runs import due
from api.gateway.translation import translated
from data.domain.errors import NotFoundError

UPKEEP = "maintenance/every-minute"
LONGEST = timedelta(minutes=4)
"""The schedule's minute, a run that takes two, and one more for a busy machine."""


@dataclass(frozen=True)
class Canary:
    """The last scheduled run that started."""

    has_started: bool
    age: timedelta
    """Since it started; since there is a schedule, where none has."""
    delay: timedelta
    """Between the time it was due and its start."""

    @property
    def is_alive(self) -> bool:
        """Whether one started lately."""
        return self.age < LONGEST


async def look_at_canary(client: PrefectClient, now: datetime) -> Canary:
    """Return how it is with scheduled runs.

    Raises:
        OrchestratorUnavailableError: Prefect is away, or its deployments were never made.
    """
    with translated(f"The deployment {UPKEEP} does not exist yet: run the bootstrap.", missing=True):
        deployment = await client.read_deployment_by_name(UPKEEP)
    with translated():
        runs = await client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
            flow_run_filter=FlowRunFilter(start_time=FlowRunFilterStartTime(is_null_=False)),
            sort=FlowRunSort.START_TIME_DESC,
            limit=1,
        )
    if not runs or runs[0].start_time is None:
        made = deployment.created or now
        return Canary(False, timedelta(seconds=now.timestamp() - made.timestamp()), timedelta())
    started = runs[0].start_time
    age = timedelta(seconds=now.timestamp() - started.timestamp())  # Prefect's times are pendulum's
    return Canary(True, age, timedelta(seconds=max(0.0, started.timestamp() - due(runs[0]).timestamp())))


async def is_registered(client: PrefectClient) -> bool:
    """Say whether there is a schedule to look at."""
    try:
        with translated():
            await client.read_deployment_by_name(UPKEEP)
    except NotFoundError:
        return False
    return True
