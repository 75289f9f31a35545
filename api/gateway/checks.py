"""Having a worker test the providers of generations: the API has neither their engines nor, perhaps, their network."""

import asyncio
import time
from collections.abc import Sequence

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import TERMINAL_STATES
from prefect.states import Cancelling

from api.gateway.moves import propose
from api.gateway.translation import translated
from data.domain.errors import TimeLimitError

CHECK_PROVIDERS = "check-providers/on-demand"
_POLL_SECONDS = 0.3


async def check_providers(client: PrefectClient, names: Sequence[str], timeout_seconds: float) -> str:
    """Make a run that tests providers, wait for its end, and return its id; one that comes too late is cancelled.

    Raises:
        OrchestratorUnavailableError: Prefect is away, or its deployments were never made.
        TimeLimitError: The run has not ended in time.
    """
    deadline = time.monotonic() + timeout_seconds
    with translated(f"The deployment {CHECK_PROVIDERS} does not exist yet: run the bootstrap.", missing=True):
        deployment = await client.read_deployment_by_name(CHECK_PROVIDERS)
    with translated():
        run = await client.create_flow_run_from_deployment(deployment.id, parameters={"providers": list(names)})
    while run.state is None or run.state.type not in TERMINAL_STATES:
        if time.monotonic() > deadline:
            await propose(client, run.id, Cancelling(message="Its caller has waited long enough."))
            raise TimeLimitError(
                f"No worker has tested the providers within {timeout_seconds:g} s.",
                {"timeout_seconds": timeout_seconds, "run_id": str(run.id)},
            )
        await asyncio.sleep(_POLL_SECONDS)
        with translated():
            run = await client.read_flow_run(run.id)
    return str(run.id)
