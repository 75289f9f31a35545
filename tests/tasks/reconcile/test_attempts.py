"""A crash is the machine's fault: jobs while attempts remain, feeds always, items by their feed alone."""

import uuid

import pytest
from prefect.client.schemas.objects import FlowRun, StateType

from data.domain.jobs import BATCH_TAG, ITEM_TAG, JOB_TAG, PRIORITY_LABEL
from tasks.reconcile.attempts import has_attempts, queue_crashed, retry_rules
from tasks.reconcile.machine import Machine
from tests.tasks.reconcile.conftest import HERE, Runs

RULES = retry_rules(job_attempts=2)


@pytest.mark.parametrize(
    ("tags", "starts", "expected"),
    [
        ([JOB_TAG], 1, True),
        ([JOB_TAG], 2, False),
        ([BATCH_TAG], 99, True),
        ([ITEM_TAG], 1, False),
        ([JOB_TAG, ITEM_TAG], 1, False),
        ([JOB_TAG, BATCH_TAG], 99, True),
        (["somebody-elses"], 1, False),
        ([], 1, False),
    ],
)
def test_the_tags_of_a_run_say_how_often_it_may_start(tags: list[str], starts: int, expected: bool) -> None:
    assert has_attempts(FlowRun(id=uuid.uuid4(), flow_id=uuid.uuid4(), tags=tags, run_count=starts), RULES) is expected


def test_crashed_runs_are_queued_again_and_only_once(runs: Runs) -> None:
    job, feed, item, failed = runs.make(JOB_TAG), runs.make(BATCH_TAG), runs.make(ITEM_TAG), runs.make(JOB_TAG)
    for run in (job, feed, item, failed):
        runs.started(run, HERE)
    for run in (job, feed, item):
        runs.force(run, StateType.CRASHED)
    runs.force(failed, StateType.FAILED)

    again = {run.id for run in queue_crashed(runs.client, RULES, lambda: Machine("here"))}

    assert {job.id, feed.id} <= again
    assert not {item.id, failed.id} & again
    assert runs.state(job).name == runs.state(feed).name == "AwaitingRetry"
    assert not again & {run.id for run in queue_crashed(runs.client, RULES, lambda: Machine("here"))}


def test_a_raised_job_that_crashed_comes_before_those_that_wait(runs: Runs) -> None:
    waiting, job = runs.make(JOB_TAG), runs.make(JOB_TAG)
    runs.client.update_flow_run_labels(job.id, {PRIORITY_LABEL: "high"})
    runs.started(job, HERE)
    runs.force(job, StateType.CRASHED)

    queue_crashed(runs.client, RULES, lambda: Machine("here"))

    handed_out = [each.flow_run.id for each in runs.client.get_scheduled_flow_runs_for_work_pool("cpu")]
    # Of the others on this server some were raised, too.
    assert next(each for each in handed_out if each in (job.id, waiting.id)) == job.id
    assert (runs.state(job).name, runs.state(waiting).name) == ("AwaitingRetry", "Scheduled")


def test_a_job_out_of_attempts_stays_crashed(runs: Runs) -> None:
    job = runs.make(JOB_TAG)
    for _ in range(2):
        runs.started(job, HERE)
        runs.force(job, StateType.CRASHED)

    queue_crashed(runs.client, RULES, lambda: Machine("here"))

    assert runs.state(job).type is StateType.CRASHED


def test_no_second_process_is_started_beside_one_that_was_taken_for_dead(runs: Runs) -> None:
    job = runs.make(JOB_TAG)
    runs.started(job, HERE)
    runs.force(job, StateType.CRASHED)

    class Living(Machine):
        def __post_init__(self) -> None:
            object.__setattr__(self, "running", frozenset({str(job.id)}))

    queue_crashed(runs.client, RULES, lambda: Living("here"))

    assert runs.state(job).type is StateType.CRASHED
