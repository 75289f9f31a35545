"""Every move that people can make, on a real Prefect server."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import ObjectNotFound

from tests.api.conftest import Prefect

Job = dict[str, Any]
Submit = Callable[..., Job]


def test_priority_is_the_work_queue(submit: Submit, prefect: Prefect) -> None:
    for priority in ("high", "default", "low"):
        job = submit(priority=priority)
        run = prefect.client.read_flow_run(uuid.UUID(job["id"]))

        assert (job["priority"], run.work_queue_name, run.work_pool_name) == (priority, priority, "cpu")
        assert "dailies-job" in run.tags


@pytest.mark.parametrize("name", ["Scheduled", "Late", "AwaitingRetry", "AwaitingConcurrencySlot"])
def test_a_waiting_job_is_cancelled_at_once(api: httpx.Client, submit: Submit, prefect: Prefect, name: str) -> None:
    job = submit()
    prefect.force(job["id"], State(type=StateType.SCHEDULED, name=name))

    answer = api.post(f"/api/v1/jobs/{job['id']}/cancel")

    assert answer.status_code == 202
    assert answer.json()["state"] == "cancelled"


def test_a_job_that_waits_for_another_attempt_is_cancelled_at_once_though_a_process_is_on_record(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    prefect.client.update_flow_run(uuid.UUID(job["id"]), infrastructure_pid="host:4711")
    prefect.start(job["id"])
    prefect.force(job["id"], State(type=StateType.FAILED))
    api.post(f"/api/v1/jobs/{job['id']}/retry").raise_for_status()

    cancelled = api.post(f"/api/v1/jobs/{job['id']}/cancel").json()

    assert cancelled["state"] == "cancelled"


def test_a_crashed_job_that_would_be_tried_again_can_be_cancelled(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    prefect.start(job["id"])
    prefect.force(job["id"], State(type=StateType.CRASHED))

    assert api.post(f"/api/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"


def test_a_running_job_is_cancelling_with_its_children_until_workers_have_ended_them(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    prefect.start(job["id"])
    running, waiting = prefect.child_of(job["id"]), prefect.child_of(job["id"])
    prefect.force(str(running.id), State(type=StateType.RUNNING))

    cancelled = api.post(f"/api/v1/jobs/{job['id']}/cancel").json()

    assert cancelled["state"] == "cancelling"
    assert prefect.client.read_flow_run(running.id).state.type is StateType.CANCELLING
    assert prefect.client.read_flow_run(waiting.id).state.type is StateType.CANCELLED


@pytest.mark.parametrize("kind", [StateType.FAILED, StateType.CANCELLED])
def test_an_ended_job_is_retried_under_its_id(
    api: httpx.Client, submit: Submit, prefect: Prefect, kind: StateType
) -> None:
    job = submit()
    prefect.start(job["id"])
    prefect.force(job["id"], State(type=kind))

    retried = api.post(f"/api/v1/jobs/{job['id']}/retry")

    assert retried.status_code == 202
    assert retried.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert (retried.json()["id"], retried.json()["state"]) == (job["id"], "queued")
    waiting = prefect.client.get_scheduled_flow_runs_for_work_pool(
        "cpu", scheduled_before=datetime.now(UTC) + timedelta(seconds=5)
    )
    assert job["id"] in {str(each.flow_run.id) for each in waiting}


@pytest.mark.parametrize("kind", [StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED])
def test_an_ended_job_is_deleted_with_its_children(
    api: httpx.Client, submit: Submit, prefect: Prefect, kind: StateType
) -> None:
    job = submit()
    prefect.start(job["id"])
    child = prefect.child_of(job["id"])
    prefect.force(job["id"], State(type=kind))

    answer = api.delete(f"/api/v1/jobs/{job['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get(f"/api/v1/jobs/{job['id']}").status_code == 404
    with pytest.raises(ObjectNotFound):
        prefect.client.read_flow_run(child.id)


def test_a_job_that_has_not_ended_is_not_deleted(api: httpx.Client, submit: Submit) -> None:
    job = submit()

    answer = api.delete(f"/api/v1/jobs/{job['id']}")

    assert (answer.status_code, answer.json()["facts"]["allowed"]) == (409, ["cancel", "pause"])


@pytest.mark.parametrize(
    ("kind", "move", "allowed"),
    [
        (StateType.COMPLETED, "cancel", ["delete"]),
        (StateType.COMPLETED, "retry", ["delete"]),
        (StateType.COMPLETED, "pause", ["delete"]),
        (StateType.RUNNING, "retry", ["cancel", "pause"]),
        (StateType.RUNNING, "resume", ["cancel", "pause"]),
        (StateType.CANCELLING, "cancel", []),
        (StateType.FAILED, "cancel", ["delete", "retry"]),
    ],
)
def test_an_illegal_move_says_what_is_allowed(
    api: httpx.Client, submit: Submit, prefect: Prefect, kind: StateType, move: str, allowed: list[str]
) -> None:
    job = submit()
    prefect.start(job["id"])
    prefect.force(job["id"], State(type=kind))

    answer = api.post(f"/api/v1/jobs/{job['id']}/{move}")

    assert answer.status_code == 409
    assert answer.json()["code"] == "REQUEST.ILLEGAL_MOVE"
    assert answer.json()["facts"]["allowed"] == allowed
