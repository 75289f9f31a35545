from types import SimpleNamespace
from typing import Any

from prefect import task

from data.settings import RetrySettings
from tasks.policies import TASK_POLICY, retry_delays


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
    assert retry_delays(RetrySettings(attempts=4, first_delay_seconds=5, max_delay_seconds=15)) == [5, 10, 15, 15]
