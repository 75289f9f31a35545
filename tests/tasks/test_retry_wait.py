"""What a job tells while one of its steps waits for the next try, on a real Prefect server."""

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any
from uuid import UUID

import pytest
from prefect import flow, task
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings

from data.domain.errors import StoreUnavailableError
from data.domain.jobs import retries_counted
from data.domain.steps import RETRY_WAIT, StepStatus
from deployments.stack import Stack
from tasks.policies import retry_after
from tasks.progress import step_progress
from tests.conftest import WaitUntil

DELAY_SECONDS = 3


@pytest.fixture
def client(prefect_server: Stack) -> Iterator[SyncPrefectClient]:
    with (
        temporary_settings({PREFECT_API_URL: prefect_server.prefect_api_url}),
        SyncPrefectClient(prefect_server.prefect_api_url) as client,
    ):
        yield client


def statuses(client: SyncPrefectClient, run_id: str) -> list[StepStatus]:
    wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)]))
    return [StepStatus.read(each.description or "") for each in client.read_artifacts(artifact_filter=wanted)]


@pytest.mark.parametrize("name", ["transcode", "generate"])
def test_a_step_that_is_tried_again_says_until_when_it_waits(
    client: SyncPrefectClient, prefect_server: Stack, wait_until: WaitUntil, name: str
) -> None:
    """Also one that tells nothing itself, after one that did: its work is another run's."""
    began: list[str] = []
    seen: list[StepStatus] = []

    @task(
        task_run_name=name,
        retries=1,
        retry_delay_seconds=DELAY_SECONDS,
        retry_condition_fn=retry_after,
        persist_result=False,
    )
    def step() -> None:
        began.append(str(flow_run.get_id()))
        with step_progress("transcode") if name == "transcode" else nullcontext():
            if len(began) == 1:
                raise StoreUnavailableError("away")

    def look() -> None:
        wait_until(lambda: began, 20, "the step to begin")
        with SyncPrefectClient(prefect_server.prefect_api_url) as own:
            wait_until(lambda: any(each.reason for each in statuses(own, began[0])), 20, "the step to say it waits")
            seen.extend(statuses(own, began[0]))

    @flow
    def run() -> Any:
        if name == "generate":
            with step_progress("ingest"):
                pass
        step()

    watching = threading.Thread(target=look)
    watching.start()
    run()
    watching.join()

    [waited] = [each for each in seen if each.reason]
    assert (waited.step, waited.reason, waited.until is not None) == (name, RETRY_WAIT, True)
    run_id = UUID(began[0])
    wait_until(lambda: retries_counted(client.read_flow_run(run_id).labels) == 1, 10, "the retry to be counted")
    wait_until(lambda: not any(each.reason for each in statuses(client, began[0])), 10, "the step to wait no more")
