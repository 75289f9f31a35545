"""Priorities that change after jobs were handed in: what a real Prefect server offers workers, and in which order."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Pending

from data.domain.jobs import PRIORITY_LABEL
from tests.api.conftest import Prefect

Job = dict[str, Any]
Submit = Callable[..., Job]


@pytest.fixture(autouse=True)
def _an_empty_queue(prefect: Prefect) -> None:
    """Remove what other tests left waiting: a worker is told of the first 200 runs only."""
    for pool in ("cpu", "gpu"):
        while waiting := prefect.client.get_scheduled_flow_runs_for_work_pool(pool):
            for each in waiting:
                prefect.client.delete_flow_run(each.flow_run.id)


def offered(prefect: Prefect, *queues: str, pool: str = "cpu") -> list[str]:
    """Ask as a worker does; return the ids of runs in the order in which they are to be started."""
    soon = datetime.now(UTC) + timedelta(seconds=10)
    waiting = prefect.client.get_scheduled_flow_runs_for_work_pool(
        pool, work_queue_names=list(queues) or None, scheduled_before=soon
    )
    return [str(each.flow_run.id) for each in waiting]


def give(api: httpx.Client, job_id: str, priority: str, **headers: str) -> Job:
    answer = api.patch(f"/api/v1/jobs/{job_id}", json={"priority": priority}, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def run_of(prefect: Prefect, job_id: str) -> FlowRun:
    return prefect.client.read_flow_run(uuid.UUID(job_id))


def history(api: httpx.Client, job_id: str) -> list[tuple[str, str | None]]:
    return [
        (each["prefect_state"], each["reason"]) for each in api.get(f"/api/v1/jobs/{job_id}/history").json()["items"]
    ]


@pytest.mark.parametrize("name", ["Late", "AwaitingRetry"])
def test_a_raised_job_is_handed_out_before_all_that_wait_in_its_queue(
    api: httpx.Client, submit: Submit, prefect: Prefect, name: str
) -> None:
    first, second, third = (submit()["id"] for _ in range(3))
    due = run_of(prefect, third).next_scheduled_start_time
    state: State[Any] = State(type=StateType.SCHEDULED, name=name)
    state.state_details.scheduled_time = due
    prefect.force(third, state)
    assert offered(prefect) == [first, second, third]

    raised = give(api, third, "high")

    assert (raised["priority"], raised["queue"]) == ("high", "default")
    assert (raised["state"], raised["reason"], raised["attempt"]) == ("queued", None, 0)
    assert offered(prefect) == [third, first, second]
    assert run_of(prefect, third).work_queue_name == "default"
    assert run_of(prefect, third).expected_start_time == due  # by which jobs are listed


def test_within_a_priority_the_raised_come_as_they_were_handed_in(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    low, raised, highest, also_highest = (submit(priority="low")["id"] for _ in range(4))

    give(api, also_highest, "high")
    give(api, raised, "default")
    give(api, highest, "high")

    assert offered(prefect, "low") == [highest, also_highest, raised, low]


def test_a_lowered_job_goes_to_the_end_of_its_queue_and_back_to_its_place(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    first, second, third = (submit(priority="high")["id"] for _ in range(3))

    assert give(api, first, "low")["priority"] == "low"
    assert offered(prefect, "high") == [second, third, first]

    assert give(api, first, "high")["priority"] == "high"
    assert offered(prefect, "high") == [first, second, third]


def test_the_same_again_changes_nothing(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = submit()["id"]
    give(api, job, "default")
    untouched = run_of(prefect, job)
    raised = give(api, job, "high")
    once = run_of(prefect, job)

    again = give(api, job, "high")

    assert untouched.state_name == "Scheduled"
    assert again == raised
    assert run_of(prefect, job).state_id == once.state_id
    assert history(api, job) == [("Scheduled", None), ("Pending", None), ("Raised", None)]


def test_a_change_of_priority_is_made_only_to_what_was_seen(api: httpx.Client, submit: Submit) -> None:
    job = f"/api/v1/jobs/{submit()['id']}"
    seen = api.get(job).headers["ETag"]
    give(api, job.rpartition("/")[2], "high", **{"If-Match": seen})

    stale = api.patch(job, json={"priority": "low"}, headers={"If-Match": seen})

    assert (stale.status_code, stale.json()["code"]) == (412, "REQUEST.PRECONDITION_FAILED")
    assert api.get(job).json()["priority"] == "high"


def test_a_job_that_a_worker_has_taken_is_not_taken_from_it(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()["id"]
    prefect.client.set_flow_run_state(uuid.UUID(job), Pending())

    raised = give(api, job, "high")

    assert raised["priority"] == "high"
    assert run_of(prefect, job).state_name == "Pending"
    assert offered(prefect) == []


def test_a_running_job_goes_on_with_its_priority_and_so_does_what_it_started(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()["id"]
    prefect.start(job)
    other = prefect.client.create_flow_run_from_deployment(prefect.other_id)
    child = prefect.child_of(job)
    own = run_of(prefect, job).state_id

    raised = give(api, job, "high")

    assert (raised["state"], raised["priority"]) == ("running", "high")
    assert (run_of(prefect, job).state_id, run_of(prefect, job).labels[PRIORITY_LABEL]) == (own, "high")
    assert run_of(prefect, str(child.id)).labels[PRIORITY_LABEL] == "high"
    assert offered(prefect, pool="gpu") == [str(child.id), str(other.id)]


@pytest.mark.parametrize("kind", [StateType.FAILED, StateType.CANCELLING])
def test_the_priority_of_an_ended_job_stays(
    api: httpx.Client, submit: Submit, prefect: Prefect, kind: StateType
) -> None:
    job = submit()["id"]
    prefect.start(job)
    prefect.force(job, State(type=kind))

    refused = api.patch(f"/api/v1/jobs/{job}", json={"priority": "high", "metadata": {"a": 1}})

    assert (refused.status_code, refused.json()["code"]) == (409, "REQUEST.ILLEGAL_MOVE")
    assert refused.json()["facts"]["allowed"] == ["metadata"]
    kept = api.get(f"/api/v1/jobs/{job}").json()
    assert (kept["priority"], kept["metadata"]) == ("default", {})


def test_a_raised_job_is_still_first_after_a_pause_and_after_a_retry(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    first, job = submit()["id"], submit()["id"]
    give(api, job, "high")

    for move in ("pause", "resume"):
        api.post(f"/api/v1/jobs/{job}/{move}").raise_for_status()
    assert offered(prefect) == [job, first]

    prefect.start(job)
    prefect.force(job, State(type=StateType.FAILED))
    api.post(f"/api/v1/jobs/{job}/retry").raise_for_status()
    assert offered(prefect) == [job, first]


def test_a_raised_job_is_cancelled_like_any_other(api: httpx.Client, submit: Submit) -> None:
    job = submit()["id"]
    give(api, job, "high")

    assert api.post(f"/api/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
