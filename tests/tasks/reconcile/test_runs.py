"""Runs whose process is gone are put right; a run whose process lives is never touched."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from tasks.reconcile.machine import Machine
from tasks.reconcile.runs import START_GRACE, HeldRun, is_lost, propose, put_runs_right
from tests.tasks.reconcile.conftest import ELSEWHERE, HERE, Runs

NOW = datetime.now(UTC)
JUST_NOW, LONG_AGO = timedelta(seconds=1), timedelta(minutes=10)
EMPTY = Machine("here")
WITH_WORKER = Machine("here", workers=frozenset({HERE}))
RUNNING, SUBMITTING, PENDING = (
    (StateType.RUNNING, "Running"),
    (StateType.PENDING, "Submitting"),
    (StateType.PENDING, "Pending"),
)
CANCELLING = (StateType.CANCELLING, "Cancelling")
SCHEDULED = (StateType.SCHEDULED, "AwaitingRetry")


class Living(Machine):
    """A process table in which every run has a process."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "running", _Everything())


class _Everything(frozenset[str]):
    def __contains__(self, item: object) -> bool:
        return True


def held(
    state: tuple[StateType, str],
    *,
    age: timedelta = LONG_AGO,
    worker: str | None = HERE,
    before: tuple[StateType, str] | None = None,
) -> HeldRun:
    now = State(type=state[0], name=state[1], timestamp=NOW - age)
    labels = {"prefect.worker.name": worker} if worker else {}
    run = FlowRun(id=uuid.uuid4(), flow_id=uuid.uuid4(), state=now, labels=labels)
    earlier = State(type=before[0], name=before[1], timestamp=NOW - age - LONG_AGO) if before else now
    return HeldRun(run, now, earlier)


@pytest.mark.parametrize("state", [RUNNING, SUBMITTING, PENDING, CANCELLING])
@pytest.mark.parametrize("worker", [HERE, ELSEWHERE, None])
def test_a_run_whose_process_lives_is_never_lost(state: tuple[StateType, str], worker: str | None) -> None:
    assert not is_lost(held(state, worker=worker, before=RUNNING), Living("here"), frozenset(), NOW)


@pytest.mark.parametrize("state", [RUNNING, SUBMITTING])
def test_a_run_of_this_machine_without_process_and_worker_is_lost_at_once(state: tuple[StateType, str]) -> None:
    assert is_lost(held(state, age=JUST_NOW), EMPTY, frozenset(), NOW)


@pytest.mark.parametrize("state", [RUNNING, SUBMITTING])
def test_a_living_worker_gets_time_to_start_the_process(state: tuple[StateType, str]) -> None:
    assert not is_lost(held(state, age=JUST_NOW), WITH_WORKER, frozenset({HERE}), NOW)
    assert is_lost(held(state, age=START_GRACE + JUST_NOW), WITH_WORKER, frozenset({HERE}), NOW)


@pytest.mark.parametrize("state", [RUNNING, SUBMITTING, CANCELLING])
def test_nothing_is_judged_by_a_process_table_that_hides_somebody_elses_run(state: tuple[StateType, str]) -> None:
    assert not is_lost(held(state, before=RUNNING), Machine("here", is_whole=False), frozenset(), NOW)


def test_a_run_that_a_worker_has_not_yet_put_its_name_on_is_lost_after_a_while() -> None:
    for worker in (None, HERE, ELSEWHERE):  # a name there may be is that of the attempt before
        assert not is_lost(held(PENDING, age=timedelta(seconds=30), worker=worker), EMPTY, frozenset(), NOW)
        assert is_lost(held(PENDING, worker=worker), EMPTY, frozenset(), NOW)


def test_a_run_that_another_machines_worker_took_is_lost_when_the_worker_is_silent() -> None:
    taken = held(SUBMITTING, worker=ELSEWHERE)

    assert is_lost(taken, EMPTY, frozenset(), NOW)
    assert not is_lost(taken, EMPTY, frozenset({ELSEWHERE}), NOW)
    assert not is_lost(held(SUBMITTING, worker=ELSEWHERE, age=JUST_NOW), EMPTY, frozenset(), NOW)


def test_what_runs_on_another_machine_is_left_to_its_heartbeats() -> None:
    assert not is_lost(held(RUNNING, worker=ELSEWHERE), EMPTY, frozenset(), NOW)
    assert not is_lost(held(CANCELLING, worker=ELSEWHERE, before=RUNNING), EMPTY, frozenset(), NOW)


@pytest.mark.parametrize("before", [SCHEDULED, PENDING, SUBMITTING])
def test_a_run_that_was_cancelled_before_its_process_began_is_finished_on_any_machine(
    before: tuple[StateType, str],
) -> None:
    for worker in (None, ELSEWHERE):
        live = frozenset({ELSEWHERE})
        assert is_lost(held(CANCELLING, worker=worker, before=before), EMPTY, live, NOW)
        assert not is_lost(held(CANCELLING, worker=worker, before=before, age=JUST_NOW), EMPTY, live, NOW)


def test_lost_runs_get_the_state_that_they_should_have(runs: Runs) -> None:
    running, taken, cancelled, living, remote = (runs.make() for _ in range(5))
    runs.started(running, HERE)
    runs.taken(taken, HERE)
    runs.started(cancelled, HERE)
    runs.force(cancelled, StateType.CANCELLING)
    runs.started(living, HERE)
    runs.started(remote, ELSEWHERE)

    class Alone(Machine):
        def __post_init__(self) -> None:
            object.__setattr__(self, "running", frozenset({str(living.id)}))

    found = put_runs_right(runs.client, lambda: Alone("here"))

    ours = {str(run.id): run.id for run in (running, taken, cancelled, living, remote)}
    assert {(each.run_id, each.was, each.became) for each in found if each.run_id in ours} == {
        (str(running.id), "Running", "Crashed"),
        (str(taken.id), "Submitting", "Scheduled"),
        (str(cancelled.id), "Cancelling", "Cancelled"),
    }
    assert "[INFRA.PROCESS.LOST]" in (runs.state(running).message or "")
    assert runs.state(living).type is runs.state(remote).type is StateType.RUNNING
    assert put_runs_right(runs.client, lambda: Alone("here")) == []


def test_a_run_put_back_is_offered_to_workers_again(runs: Runs) -> None:
    run = runs.make()
    runs.taken(run, HERE)

    put_runs_right(runs.client, lambda: EMPTY)

    offered = runs.client.get_scheduled_flow_runs_for_work_pool("cpu", scheduled_before=datetime.now(UTC))
    assert run.id in {each.flow_run.id for each in offered}


def test_a_run_that_moved_on_since_it_was_seen_is_left_alone(runs: Runs) -> None:
    run = runs.make()
    runs.started(run, HERE)

    def look() -> Machine:
        runs.force(run, StateType.COMPLETED)  # its process says so, and ends
        return EMPTY

    put_runs_right(runs.client, look)

    assert runs.state(run).type is StateType.COMPLETED


def test_prefect_itself_refuses_what_would_undo_a_cancel_or_an_end(runs: Runs) -> None:
    for kind in (StateType.CANCELLING, StateType.COMPLETED, StateType.CANCELLED, StateType.FAILED):
        run = runs.make()
        runs.started(run, HERE)
        runs.force(run, kind)
        seen = runs.client.read_flow_run(run.id)

        assert not propose(runs.client, seen, State(type=StateType.CRASHED)), kind
        assert runs.state(run).type is kind


def test_a_run_that_was_deleted_meanwhile_is_nothing_to_worry_about(runs: Runs) -> None:
    run = runs.make()
    runs.started(run, HERE)
    seen = runs.client.read_flow_run(run.id)
    runs.client.delete_flow_run(run.id)

    assert not propose(runs.client, seen, State(type=StateType.CRASHED))
