"""Helpers as Prefect's server tells of them; nobody carries their runs out here."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Paused, Running, Scheduled

from deployments.stack import Stack
from tasks.chunk_helpers import CHUNK_DEPLOYMENT, ChunkHelpers


@flow(name=CHUNK_DEPLOYMENT.partition("/")[0])
def chunk(name: str) -> None:
    """Stands for the helpers' own."""


@pytest.fixture
def client(prefect_server: Stack) -> Iterator[SyncPrefectClient]:
    with (
        disable_run_logger(),
        temporary_settings({PREFECT_API_URL: prefect_server.prefect_api_url}),
        SyncPrefectClient(prefect_server.prefect_api_url) as client,
    ):
        client.create_deployment(client.create_flow(chunk), CHUNK_DEPLOYMENT.partition("/")[2])
        yield client


@pytest.fixture
def helpers(client: SyncPrefectClient) -> ChunkHelpers:
    helpers = ChunkHelpers(2, lambda name: {"name": name})
    assert helpers.ask("first")
    assert helpers.ask("second")
    return helpers


def runs(client: SyncPrefectClient) -> dict[str, UUID]:
    """Return the latest run of each name, of the flow above: others deploy the real one to the same server."""
    found = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[chunk.name])))
    own = [run for run in found if set(run.parameters) == {"name"}]
    return {run.parameters["name"]: run.id for run in sorted(own, key=lambda run: str(run.created))}


def test_one_that_waits_or_rests_is_taken_back_and_one_that_works_is_not(
    client: SyncPrefectClient, helpers: ChunkHelpers
) -> None:
    begun = runs(client)
    client.set_flow_run_state(begun["first"], Running(), force=True)
    assert helpers.take_back() == "second"

    client.set_flow_run_state(begun["first"], Paused(), force=True)

    assert helpers.take_back() == "first"
    assert not helpers.is_busy


def test_while_all_of_them_work_nobody_asks_prefect_again_and_again(
    client: SyncPrefectClient, helpers: ChunkHelpers
) -> None:
    begun = runs(client)
    for run_id in begun.values():
        client.set_flow_run_state(run_id, Running(), force=True)
    assert helpers.take_back() is None

    client.set_flow_run_state(begun["first"], Scheduled(), force=True)

    assert helpers.take_back() is None, "a few seconds later it would be seen"


def test_one_that_somebody_has_deleted_is_over_and_no_reason_to_fail(
    client: SyncPrefectClient, helpers: ChunkHelpers
) -> None:
    client.delete_flow_run(runs(client)["first"])
    assert helpers.finished() == ["first"]

    client.delete_flow_run(runs(client)["second"])

    helpers.stop()
    assert not helpers.is_busy
