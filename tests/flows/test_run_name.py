"""A run is called the same before and after it starts."""

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from deployments.stack import Stack
from flows.process_asset import run_name


@flow(flow_run_name=run_name)
def take_in(source: str, title: str = "") -> None:
    """Named as the pipeline is, and does nothing."""


@pytest.mark.parametrize(
    ("submitted", "parameters"),
    [
        ("Holiday.mp4", {"source": "upload:0f8c2d"}),
        ("A title", {"source": "upload:0f8c2d", "title": "A title"}),
        ("clip.mp4", {"source": "https://media.example/clip.mp4?token=x"}),
        ("a #1.mp4", {"source": "/srv/media/a #1.mp4"}),
        ("video", {"source": "https://media.example"}),
    ],
)
def test_a_run_keeps_the_name_that_it_was_submitted_under(
    prefect_server: Stack, submitted: str, parameters: dict[str, str]
) -> None:
    with (
        temporary_settings({PREFECT_API_URL: prefect_server.prefect_api_url, PREFECT_LOGGING_TO_API_ENABLED: False}),
        SyncPrefectClient(prefect_server.prefect_api_url) as client,
    ):
        run = client.create_flow_run(take_in, parameters=parameters, name=submitted)
        run_flow(take_in, flow_run=run, parameters=parameters)

        assert client.read_flow_run(run.id).name == submitted
