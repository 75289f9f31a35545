from types import SimpleNamespace
from typing import Any

import prefect
import pytest
from prefect import flow, task
from prefect.settings import PREFECT_API_URL, temporary_settings

from data.domain.errors import StoreUnavailableError
from data.domain.jobs import MAX_RETRIES, retries_tag
from data.settings import RetrySettings
from deployments.stack import Stack
from tasks.policies import TASK_POLICY, item_retry_delays, retry_delays


@task(**TASK_POLICY)
def validate(batch_id: str) -> str:
    return f"validated {batch_id}"


@task(**TASK_POLICY)
def plan(batch_id: str) -> str:
    return f"planned {batch_id}"


def key(of: Any, flow_run_id: str = "run", **inputs: Any) -> str | None:
    context: Any = SimpleNamespace(task=of, task_run=SimpleNamespace(flow_run_id=flow_run_id))
    return TASK_POLICY["cache_policy"].compute_key(context, inputs, {})


def test_a_result_is_known_by_run_task_and_inputs() -> None:
    assert key(plan, batch_id="b") == key(plan, batch_id="b")
    assert key(plan, batch_id="b") != key(plan, batch_id="c")
    assert key(plan, batch_id="b") != key(plan, "other", batch_id="b")
    assert key(plan, batch_id="b") != key(validate, batch_id="b")


def test_delays_double_up_to_the_longest() -> None:
    delays = retry_delays(RetrySettings(attempts=4, first_delay_seconds=5, max_delay_seconds=15))

    assert delays == [5, 10, *[15] * (MAX_RETRIES - 2)]


@pytest.mark.parametrize(("tags", "tries"), [(set(), 4), ({retries_tag(0)}, 1), ({retries_tag(6)}, 7)])
def test_a_step_is_tried_again_as_often_as_the_job_asks(prefect_server: Stack, tags: set[str], tries: int) -> None:
    began = []

    @task(**TASK_POLICY)
    def fail() -> None:
        began.append(1)
        raise StoreUnavailableError("away")

    @flow
    def run() -> None:
        fail.with_options(retry_delay_seconds=[0] * MAX_RETRIES, retry_jitter_factor=0, persist_result=False)()

    with (
        temporary_settings({PREFECT_API_URL: prefect_server.prefect_api_url}),
        prefect.tags(*tags),
        pytest.raises(StoreUnavailableError),
    ):
        run()

    assert len(began) == tries


def test_an_item_of_a_pack_is_tried_again_as_often_as_the_setting_says() -> None:
    assert item_retry_delays(RetrySettings(attempts=2, first_delay_seconds=5)) == [5, 10]
    assert item_retry_delays(RetrySettings(attempts=0)) == []
