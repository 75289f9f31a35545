"""What several readers ask for at once is asked of Prefect once, and never too old."""

import asyncio
import uuid

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State, StateType

from api.gateway.histories import Histories
from deployments.stack import Stack
from tests.api.conftest import Prefect


def test_a_history_is_read_once_for_each_state_that_a_run_comes_into(prefect_server: Stack, prefect: Prefect) -> None:
    job = prefect.client.create_flow_run_from_deployment(prefect.deployment_id, name=uuid.uuid4().hex)
    prefect.start(str(job.id))

    async def work() -> None:
        async with PrefectClient(prefect_server.prefect_api_url) as client:
            histories = Histories(client)
            run = await client.read_flow_run(job.id)
            first, again = [await histories.read(run) for _ in range(2)]
            await asyncio.to_thread(prefect.force, str(job.id), State(type=StateType.COMPLETED))
            later = await histories.read(await client.read_flow_run(job.id))

            assert again is first
            assert [state.type for state in later] == [*(state.type for state in first), StateType.COMPLETED]
            assert await histories.read(run) is later, "what came after a state does no harm"

    asyncio.run(work())
