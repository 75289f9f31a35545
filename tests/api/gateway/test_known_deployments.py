"""Runs of deployments by name, on a real Prefect server."""

import asyncio
import uuid
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient

from api.gateway.known_deployments import KnownDeployments
from data.domain.errors import OrchestratorUnavailableError
from tests.api.conftest import Prefect


async def make_deployment(client: PrefectClient, name: str) -> UUID:
    flow_id = await client.create_flow_from_name("known")
    return await client.create_deployment(flow_id, name)


def test_a_deployment_that_is_made_anew_is_found_again_and_one_that_is_gone_is_said_so(prefect: Prefect) -> None:
    name = uuid.uuid4().hex

    async def story() -> None:
        async with PrefectClient(str(prefect.client.api_url)) as client:
            known = KnownDeployments(client)
            with pytest.raises(OrchestratorUnavailableError, match="bootstrap"):
                await known.create_run(f"known/{name}")
            first = await make_deployment(client, name)
            runs = [await known.create_run(f"known/{name}", name=word) for word in ("one", "two")]
            await client.delete_deployment(first)
            second = await make_deployment(client, name)
            again = await known.create_run(f"known/{name}")
            await client.delete_deployment(second)
            with pytest.raises(OrchestratorUnavailableError, match="bootstrap"):
                await known.create_run(f"known/{name}")

            assert [run.name for run in runs] == ["one", "two"]
            assert [run.deployment_id for run in (*runs, again)] == [first, first, second]

    asyncio.run(story())
