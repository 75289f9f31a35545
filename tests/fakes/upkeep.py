"""Upkeep sooner than it comes by itself, so that tests need not wait for the minute: as an operator would start it."""

import time

from prefect.client.orchestration import SyncPrefectClient

EVERY_SECONDS = 12.0


class Upkeep:
    """Starts the maintenance deployment of a stack; lives as long as a test waits for it.

    Args:
        prefect_api_url: The stack's.
        first_after_seconds: What is over sooner needs none.
    """

    def __init__(self, prefect_api_url: str, first_after_seconds: float = 0.0) -> None:
        self._prefect_api_url = prefect_api_url
        self._next = time.monotonic() + first_after_seconds

    def hasten(self) -> None:
        """Start it if that was not done lately; while a round is under way, Prefect drops another one."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_SECONDS
        with SyncPrefectClient(self._prefect_api_url) as client:
            deployment = client.read_deployment_by_name("maintenance/every-minute")
            client.create_flow_run_from_deployment(deployment.id, name="hastened")
