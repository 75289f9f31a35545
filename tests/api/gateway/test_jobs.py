"""How runs look as jobs: every state that Prefect knows, their history and their progress."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prefect import states as prefect_states
from prefect.client.schemas.objects import State, StateType

from data.domain.jobs import STEP_RETRIES_LABEL
from tests.api.conftest import Prefect

Job = dict[str, Any]
Submit = Callable[..., Job]


def later() -> State[Any]:
    return prefect_states.Scheduled(scheduled_time=datetime.now(UTC) + timedelta(hours=1))


EVERY_STATE = [
    (later(), "queued", None),
    (State(type=StateType.SCHEDULED, name="Late"), "queued", "late"),
    (State(type=StateType.SCHEDULED, name="AwaitingRetry"), "queued", "retry_wait"),
    (State(type=StateType.SCHEDULED, name="AwaitingConcurrencySlot"), "queued", "waiting_for_slot"),
    (State(type=StateType.SCHEDULED, name="Resuming"), "queued", None),
    (State(type=StateType.PENDING), "queued", None),
    (State(type=StateType.PENDING, name="Submitting"), "queued", None),
    (State(type=StateType.PENDING, name="InfrastructurePending"), "queued", None),
    (State(type=StateType.RUNNING), "running", None),
    (State(type=StateType.RUNNING, name="Retrying"), "running", None),
    (prefect_states.Paused(timeout_seconds=600), "paused", None),
    (prefect_states.Suspended(timeout_seconds=600), "paused", None),
    (State(type=StateType.CANCELLING), "cancelling", None),
    (State(type=StateType.CANCELLED), "cancelled", None),
    (State(type=StateType.COMPLETED), "succeeded", None),
    (State(type=StateType.COMPLETED, name="Cached"), "succeeded", None),
    (State(type=StateType.FAILED, message="boom"), "failed", "INFRA.UNKNOWN"),
    (State(type=StateType.FAILED, message="Task failed: [DATA.INPUT.CORRUPT] broken"), "failed", "DATA.INPUT.CORRUPT"),
    (State(type=StateType.FAILED, name="TimedOut"), "failed", "time_limit"),
    (State(type=StateType.CRASHED), "queued", "infrastructure"),
]


@pytest.mark.parametrize(
    ("prefect_state", "expected", "reason"),
    EVERY_STATE,
    ids=[f"{each.type.value}-{each.name}" for each, *_ in EVERY_STATE],
)
def test_every_prefect_state_has_a_job_state(
    api: httpx.Client,
    submit: Submit,
    prefect: Prefect,
    prefect_state: State[Any],
    expected: str,
    reason: str | None,
) -> None:
    job = submit()
    if prefect_state.type is StateType.CANCELLING:  # from `Scheduled` Prefect goes on to `Cancelled` by itself
        prefect.force(job["id"], State(type=StateType.RUNNING))
    prefect.force(job["id"], prefect_state)

    shown = api.get(f"/api/v1/jobs/{job['id']}").json()

    assert (shown["state"], shown["reason"]) == (expected, reason)


def test_no_state_type_of_prefect_is_left_out() -> None:
    assert {each.type for each, *_ in EVERY_STATE} == set(StateType)


def test_a_crash_is_final_once_the_attempts_are_used_up(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = submit()
    prefect.start(job["id"], times=2)
    prefect.force(job["id"], State(type=StateType.CRASHED))

    shown = api.get(f"/api/v1/jobs/{job['id']}").json()

    assert (shown["state"], shown["reason"], shown["attempt"]) == ("failed", "infrastructure", 2)
    assert shown["moves"] == ["delete", "retry"]


def test_history_tells_every_state_in_order(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = submit()
    prefect.start(job["id"])
    prefect.force(job["id"], State(type=StateType.FAILED, message="[DATA.INPUT.CORRUPT] broken"))

    items = api.get(f"/api/v1/jobs/{job['id']}/history").json()["items"]

    assert [item["state"] for item in items] == ["queued", "queued", "running", "failed"]
    assert items[-1]["reason"] == "DATA.INPUT.CORRUPT"
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)


def test_a_failure_tells_of_no_path_but_the_one_that_was_handed_in(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    said = "[DATA.ENCODE.FAILED] ffmpeg ended with exit code 1: {}: not read from file:{}"
    failure = said.format(job["source"], "/var/scratch/job 7/attempt/source")
    prefect.force(job["id"], State(type=StateType.FAILED, message=failure))

    url = f"/api/v1/jobs/{job['id']}"
    message = api.get(url).json()["message"]

    assert message == said.format(job["source"], "…/source")
    assert api.get(f"{url}/history").json()["items"][-1]["message"] == message


def test_progress_is_weighted_by_step_and_includes_the_child(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    prefect.start(job["id"])
    child = prefect.child_of(job["id"])
    prefect.report(job["id"], "ingest", 100)
    prefect.report(job["id"], "transcode", 100)
    prefect.report(str(child.id), "generate", 40)

    shown = api.get(f"/api/v1/jobs/{job['id']}").json()

    assert shown["step"] == "generate"
    assert shown["progress"] == pytest.approx(0.05 + 0.6 + 0.25 * 0.4)
    assert [step["name"] for step in shown["steps"]] == ["ingest", "transcode", "generate"]
    assert shown["last_progress_at"] is not None


def test_a_wait_for_an_encode_slot_is_shown_while_the_job_runs(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    prefect.start(job["id"])
    prefect.report(job["id"], "transcode (waiting_for_slot 3)", 0)

    running = api.get(f"/api/v1/jobs/{job['id']}").json()
    prefect.force(job["id"], State(type=StateType.CRASHED))
    crashed = api.get(f"/api/v1/jobs/{job['id']}").json()

    assert (running["state"], running["step"]) == ("running", "transcode")
    assert (running["reason"], running["position"]) == ("waiting_for_slot", 3)
    assert (crashed["reason"], crashed["position"]) == ("infrastructure", None)


def test_a_step_that_waits_for_its_next_try_is_shown_with_when_that_is(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    prefect.start(job["id"])
    prefect.report(job["id"], "transcode (retry_wait until 2026-01-31T22:00:05Z)", 30)
    prefect.client.update_flow_run_labels(uuid.UUID(job["id"]), {STEP_RETRIES_LABEL: 2})

    running = api.get(f"/api/v1/jobs/{job['id']}").json()
    prefect.report(job["id"], "transcode", 0)
    again = api.get(f"/api/v1/jobs/{job['id']}").json()

    assert (running["state"], running["reason"], running["step_retries"]) == ("running", "retry_wait", 2)
    assert running["next_try_at"] == "2026-01-31T22:00:05Z"
    assert (again["reason"], again["next_try_at"]) == (None, None)


def test_a_run_that_is_no_job_is_not_found(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    child = prefect.child_of(submit()["id"])

    for run_id in (str(child.id), str(uuid.uuid4()), "not-an-id"):
        answer = api.get(f"/api/v1/jobs/{run_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "REQUEST.NOT_FOUND")
