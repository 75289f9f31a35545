"""Pausing and resuming, on a real Prefect server; the process of a run is played by hand."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prefect import states as prefect_states
from prefect.client.schemas.objects import FlowRun, State, StateType

from api.gateway.jobs import run_view
from data.domain.jobs import RESTS_LABEL, JobState, PauseMode, pause_key, pause_mode
from tests.api.conftest import Prefect
from tests.fakes.processes import wait_until

Job = dict[str, Any]
Submit = Callable[..., Job]


@pytest.fixture(autouse=True)
def _an_empty_queue(prefect: Prefect) -> None:
    """Remove what other tests left waiting: a worker is told of the first 200 runs only."""
    while waiting := prefect.client.get_scheduled_flow_runs_for_work_pool("cpu"):
        for each in waiting:
            prefect.client.delete_flow_run(each.flow_run.id)


def run_of(prefect: Prefect, job: Job) -> FlowRun:
    return prefect.client.read_flow_run(uuid.UUID(job["id"]))


def say_that_it_rests(prefect: Prefect, job: Job) -> None:
    """Do what the process of a paused run does last."""
    run = run_of(prefect, job)
    assert run.state is not None
    prefect.client.update_flow_run_labels(run.id, {RESTS_LABEL: str(run.state.id)})


def ask(api: httpx.Client, job: Job, move: str, **query: str) -> Job:
    answer = api.post(f"/api/v1/jobs/{job['id']}/{move}", params=query)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def is_waiting_for_a_worker(prefect: Prefect, job: Job) -> bool:
    waiting = prefect.client.get_scheduled_flow_runs_for_work_pool(
        "cpu", scheduled_before=datetime.now(UTC) + timedelta(seconds=5)
    )
    return job["id"] in {str(each.flow_run.id) for each in waiting}


@pytest.mark.parametrize("name", ["Scheduled", "Late", "AwaitingRetry", "AwaitingConcurrencySlot"])
def test_a_waiting_job_is_paused_at_once_and_does_not_start(
    api: httpx.Client, submit: Submit, prefect: Prefect, name: str
) -> None:
    job = submit()
    prefect.force(job["id"], State(type=StateType.SCHEDULED, name=name))

    paused = ask(api, job, "pause")

    assert (paused["state"], paused["moves"]) == ("paused", ["cancel", "resume"])
    assert not is_waiting_for_a_worker(prefect, job)


def test_a_job_paused_in_the_queue_is_queued_again_and_its_start_is_told(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    ask(api, job, "pause")

    resumed = ask(api, job, "resume")

    assert (resumed["state"], resumed["attempt"], resumed["started_at"]) == ("queued", 0, None)
    wait_until(lambda: is_waiting_for_a_worker(prefect, job), 10, "the job to be offered to workers")
    prefect.start(job["id"])
    prefect.report(job["id"], "ingest", 50)
    running = api.get(f"/api/v1/jobs/{job['id']}").json()
    assert (running["state"], running["attempt"], running["step"]) == ("running", 1, "ingest")
    assert running["started_at"] is not None


def test_a_worker_that_had_just_taken_a_paused_job_cannot_go_on_with_it(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    ask(api, job, "pause")

    proposed = prefect.client.set_flow_run_state(uuid.UUID(job["id"]), prefect_states.Pending())

    assert proposed.state is not None
    assert proposed.state.type is StateType.PAUSED


@pytest.mark.parametrize("mode", list(PauseMode))
def test_a_running_job_is_pausing_until_its_process_has_stopped(
    api: httpx.Client, submit: Submit, prefect: Prefect, mode: PauseMode
) -> None:
    job = submit()
    prefect.start(job["id"])

    pausing = ask(api, job, "pause", mode=mode.value)
    refused = api.post(f"/api/v1/jobs/{job['id']}/resume")
    say_that_it_rests(prefect, job)
    paused = api.get(f"/api/v1/jobs/{job['id']}").json()

    assert (pausing["state"], pausing["moves"]) == ("pausing", ["cancel"])
    assert refused.status_code == 409
    assert paused["state"] == "paused"
    state = run_of(prefect, job).state
    assert state is not None
    assert (state.name, state.state_details.pause_timeout) == ("Suspended", None)
    assert pause_mode(state.state_details.pause_key) is mode


def test_a_resumed_job_can_be_paused_again_and_counts_no_further_attempt(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    prefect.start(job["id"])
    ask(api, job, "pause")
    say_that_it_rests(prefect, job)
    ask(api, job, "resume")
    prefect.start(job["id"])

    again = ask(api, job, "pause")

    assert (again["state"], again["attempt"]) == ("pausing", 1)


def test_a_pause_of_the_prefect_ui_is_a_pause(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = submit()
    prefect.start(job["id"])
    prefect.force(job["id"], prefect_states.Suspended(timeout_seconds=600))

    pausing = api.get(f"/api/v1/jobs/{job['id']}").json()
    say_that_it_rests(prefect, job)

    assert pausing["state"] == "pausing"
    assert ask(api, job, "resume")["state"] == "queued"


@pytest.mark.parametrize(("mode", "age"), [(PauseMode.AT_ONCE, "minutes"), (PauseMode.AFTER_STEP, "hours")])
def test_a_process_that_died_without_a_word_does_not_leave_its_job_pausing_for_ever(mode: PauseMode, age: str) -> None:
    def view(**ago: float) -> JobState:
        at = datetime.now(UTC) - timedelta(**ago)
        state: State[None] = prefect_states.Suspended(pause_key=pause_key(mode, "x"), timestamp=at)
        return run_view(FlowRun(flow_id=uuid.uuid4(), run_count=1, state=state), crash_attempts=1).state

    assert (view(**{age: 0.5}), view(**{age: 3})) == (JobState.PAUSING, JobState.PAUSED)


def test_a_pausing_and_a_paused_job_can_be_cancelled(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    pausing, paused = submit(), submit()
    prefect.start(pausing["id"])
    for job in (pausing, paused):
        ask(api, job, "pause")

    assert [ask(api, job, "cancel")["state"] for job in (pausing, paused)] == ["cancelled", "cancelled"]


def test_pausing_and_paused_jobs_are_listed_apart(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    pausing, paused = submit(title="apart"), submit(title="apart")
    prefect.start(pausing["id"])
    for job in (pausing, paused):
        ask(api, job, "pause")

    found = {
        state: [job["id"] for job in api.get("/api/v1/jobs", params={"state": state, "text": "apart"}).json()["items"]]
        for state in ("pausing", "paused")
    }

    assert found == {"pausing": [pausing["id"]], "paused": [paused["id"]]}
