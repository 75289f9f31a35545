"""Making runs of deployments, whose ids are looked up once."""

from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from api.gateway.translation import translated
from data.domain.errors import NotFoundError


class KnownDeployments:
    """Makes runs of deployments by name. Lives as long as the application.

    Args:
        client: Prefect's.
    """

    def __init__(self, client: PrefectClient) -> None:
        self._client = client
        self._ids: dict[str, UUID] = {}

    async def create_run(self, deployment_name: str, /, **options: Any) -> FlowRun:
        """Create a run.

        Args:
            deployment_name: Of flow and deployment (``process-asset/on-demand``).
            options: Those of Prefect's ``create_flow_run_from_deployment``.

        Raises:
            OrchestratorUnavailableError: Prefect is away, or its deployments were never made.
            InvalidRequestError: Prefect does not take the options.
        """
        known = self._ids.get(deployment_name)
        if known is not None:
            try:
                return await self._create(known, options)
            except NotFoundError:  # deleted since, and perhaps made again: its name is what stays
                self._ids.pop(deployment_name, None)
        with translated(f"The deployment {deployment_name} does not exist yet: run the bootstrap.", missing=True):
            deployment = await self._client.read_deployment_by_name(deployment_name)
        self._ids[deployment_name] = deployment.id
        return await self._create(deployment.id, options)

    async def _create(self, deployment_id: UUID, options: dict[str, Any]) -> FlowRun:
        with translated():
            return await self._client.create_flow_run_from_deployment(deployment_id, **options)
