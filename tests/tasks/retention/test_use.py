"""Nothing of a living job is deleted: what that is, asked of a real Prefect server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType

from data.database import Database
from data.domain.jobs import ITEM_TAG, JOB_TAG
from data.repositories import AssetRepository, CandidateRepository
from deployments.stack import Stack
from tasks.retention.use import AssetsInUse, assets_in_use, awaited_uploads, lives
from tests.data.samples import sample_asset, sample_manifest
from tests.fakes.catalogues import make_catalogue


@pytest.fixture(scope="module")
def client(prefect_server: Stack) -> Iterator[SyncPrefectClient]:
    with SyncPrefectClient(prefect_server.prefect_api_url) as client:
        yield client


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    make_catalogue(url)
    opened = Database(url)
    yield opened
    opened.close()


def make(client: SyncPrefectClient, *states: State[None], tag: str = JOB_TAG, **parameters: Any) -> FlowRun:
    flow_id = client.create_flow_from_name("uses-assets")
    deployment = client.create_deployment(flow_id=flow_id, name="on-demand")
    run = client.create_flow_run_from_deployment(deployment, parameters=parameters, tags=[tag])
    for state in states:
        client.set_flow_run_state(run.id, state, force=True)
    return run


RUNNING = State(type=StateType.RUNNING)


@pytest.mark.parametrize("tag", [JOB_TAG, ITEM_TAG])
@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (None, True),
        (StateType.PAUSED, True),
        (StateType.CANCELLING, True),
        (StateType.SCHEDULED, True),
        (StateType.CRASHED, True),
        (StateType.COMPLETED, False),
        (StateType.CANCELLED, False),
        (StateType.FAILED, False),
    ],
)
def test_an_asset_is_in_use_until_its_job_has_ended(
    client: SyncPrefectClient, database: Database, then: StateType | None, expected: bool, tag: str
) -> None:
    run = make(client, RUNNING, *([State(type=then)] if then else []), tag=tag)
    asset = sample_asset(str(run.id))
    with database.session() as session:
        AssetRepository(session).record(asset)
        AssetRepository(session).bind_job(str(run.id), asset.id)

    assert lives(client, str(run.id)) is lives(client, f"{run.id}:7") is expected
    assert (asset.id in assets_in_use(client, database)) is expected
    assert AssetsInUse(client, database)(asset.id) is expected


def test_an_asset_is_in_use_while_a_version_of_it_waits_for_a_person(
    client: SyncPrefectClient, database: Database
) -> None:
    asset = sample_asset("waits")
    with database.session() as session:
        AssetRepository(session).record(asset)
        CandidateRepository(session).wait(sample_manifest(asset), "work", "A person decides.")
    assert AssetsInUse(client, database)(asset.id)

    with database.session() as session:
        CandidateRepository(session).supersede(asset.id)

    assert not AssetsInUse(client, database)(asset.id)


def test_uploads_of_jobs_that_have_not_ended_are_awaited(client: SyncPrefectClient) -> None:
    make(client, source="upload:waits")
    make(client, RUNNING, source="upload:runs")
    make(client, RUNNING, State(type=StateType.FAILED), source="upload:failed")
    make(client, source="/films/one.mp4")
    make(client, overrides={"generation.references": ["upload:shown"], "generation.brand": {"logo": "upload:logo"}})

    awaited = awaited_uploads(client)

    assert {"waits", "runs", "shown", "logo"} <= awaited
    assert not {"failed", "", "/films/one.mp4"} & awaited
