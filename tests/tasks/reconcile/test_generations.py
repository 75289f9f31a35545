"""Which generations are over is told by their jobs, on a real Prefect server."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName, FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun, StateType

from data.database import Database
from data.domain.batches import Batch, BatchOptions, BatchState
from data.domain.generations import Capability, GenerationRequest
from data.domain.jobs import ITEM_TAG, JOB_TAG
from data.domain.ledger import Generation, Subject
from data.repositories import BatchRepository, GenerationRepository
from tasks.providers.settling import RELEASED_FOR
from tasks.reconcile.attempts import retry_rules
from tasks.reconcile.generations import find_forgotten, settle_forgotten
from tests.tasks.reconcile.conftest import HERE, Runs

HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)
LATER = datetime.now(UTC) + timedelta(hours=1)
"""Runs that are ended by hand end now."""
RULES = retry_rules(job_attempts=2)


def entry(database: Database, job_id: str, batch_id: str | None = None, **values: Any) -> str:
    """Write down an entry of an hour ago; return its id."""
    request = GenerationRequest(prompt=uuid.uuid4().hex)
    generation_id = str(uuid.uuid4())
    made = Generation.model_validate(
        {
            "id": generation_id,
            "key": "key",
            "request_digest": request.digest(),
            "idempotency_key": generation_id,
            "subject": Subject(job_id=job_id, batch_id=batch_id),
            "provider": "p",
            "engine": "comfyui",
            "capability": Capability.TEXT_TO_VIDEO,
            "state": "prepared",
            "request": request,
            "created_at": HOUR_AGO,
            **values,
        }
    )
    with database.session() as session:
        GenerationRepository(session).add(made, "gone")
    return generation_id


def ended(runs: Runs, kind: StateType | None, tag: str = JOB_TAG) -> FlowRun:
    run = runs.make(tag)
    runs.started(run, HERE)
    if kind:
        runs.force(run, kind)
    return runs.client.read_flow_run(run.id)


def state(database: Database, generation_id: str) -> str:
    with database.session() as session:
        return GenerationRepository(session).get(generation_id).state.value


def asking(runs: Runs) -> list[FlowRun]:
    return runs.client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["settle-generations"])),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=["on-demand"])),
    )


@pytest.mark.parametrize(
    ("kind", "is_over"),
    [
        (None, False),
        (StateType.PAUSED, False),
        (StateType.CANCELLING, False),
        (StateType.SCHEDULED, False),
        (StateType.CRASHED, False),
        (StateType.FAILED, True),
        (StateType.CANCELLED, True),
        (StateType.COMPLETED, True),
    ],
)
def test_a_generation_is_over_with_its_job(
    runs: Runs, database: Database, kind: StateType | None, is_over: bool
) -> None:
    run = ended(runs, kind)
    whole, packed = entry(database, str(run.id)), entry(database, f"{run.id}:3")

    found = find_forgotten(runs.client, database, RULES, LATER)

    assert {each.entry.id for each in found} == ({whole, packed} if is_over else set())
    assert {each.is_unwanted for each in found} <= {kind is StateType.CANCELLED}


def test_a_generation_lives_while_anybody_who_took_it_up_does(runs: Runs, database: Database) -> None:
    over, other_over, alive = (str(ended(runs, kind).id) for kind in (StateType.CANCELLED, StateType.FAILED, None))
    left, taken_up = entry(database, over), entry(database, over)
    with database.session() as session:
        ledger = GenerationRepository(session)
        for job_id in (other_over, alive, alive):
            ledger.take(taken_up, "them", Subject(job_id=job_id))
        ledger.take(left, "them", Subject(job_id=other_over))

    [found] = find_forgotten(runs.client, database, RULES, LATER)

    assert (found.entry.id, found.is_unwanted) == (left, False), "one of its two jobs failed, and may be tried again"
    with database.session() as session:
        assert [each.job_id for each in GenerationRepository(session).get(taken_up).subjects] == [
            over,
            other_over,
            alive,
        ]


def test_a_crashed_job_without_attempts_is_over(runs: Runs, database: Database) -> None:
    generation_id = entry(database, str(ended(runs, StateType.CRASHED).id))

    [found] = find_forgotten(runs.client, database, retry_rules(job_attempts=1), LATER)

    assert (found.entry.id, found.is_unwanted) == (generation_id, False)


def test_a_job_that_nobody_knows_any_more_is_over(runs: Runs, database: Database) -> None:
    gone = {entry(database, str(uuid.uuid4())), entry(database, "no run at all")}
    entry(database, str(uuid.uuid4()), created_at=LATER)  # it has just begun

    assert {each.entry.id for each in find_forgotten(runs.client, database, RULES, LATER)} == gone


def test_while_its_batch_lives_an_item_may_be_tried_again(runs: Runs, database: Database) -> None:
    def batch(batch_id: str, ended_at: datetime | None) -> None:
        made = Batch(
            id=batch_id,
            name="n",
            manifest_uri="u",
            options=BatchOptions(),
            state=BatchState.RUNNING,
            created_at=HOUR_AGO,
            ended_at=ended_at,
        )
        with database.session() as session:
            BatchRepository(session).create(made)

    batch("living", None)
    batch("ended", HOUR_AGO)
    run = ended(runs, StateType.CRASHED, ITEM_TAG)
    entry(database, str(run.id), "living")
    over = entry(database, str(run.id), "ended")

    assert [each.entry.id for each in find_forgotten(runs.client, database, RULES, LATER)] == [over]


def test_what_a_person_has_just_released_waits_for_its_job_to_be_tried_again(runs: Runs, database: Database) -> None:
    job_id = str(ended(runs, StateType.FAILED).id)
    entry(database, job_id, attempts=1)
    long_ago = entry(database, job_id, attempts=1, created_at=HOUR_AGO - RELEASED_FOR)

    assert [each.entry.id for each in find_forgotten(runs.client, database, RULES, LATER)] == [long_ago]


def test_what_needs_no_provider_is_settled_at_once_and_one_run_asks_about_the_rest(
    runs: Runs, database: Database
) -> None:
    job_id = str(ended(runs, StateType.CANCELLED).id)
    here = [entry(database, job_id), entry(database, job_id, state="accepted")]
    there = [entry(database, job_id, state=each) for each in ("sending", "made")]
    there.append(entry(database, job_id, state="accepted", provider_id="theirs"))

    first, again = (settle_forgotten(runs.client, database, RULES, LATER) for _ in range(2))

    assert {f"{generation_id} cancelled" for generation_id in here} <= set(first)
    assert [state(database, each) for each in here] == ["cancelled"] * 2
    assert [state(database, each) for each in there] == ["sending", "made", "accepted"]
    assert not {f"{generation_id} cancelled" for generation_id in here} & set(again)
    assert len(asking(runs)) == 1


def test_where_nothing_is_over_nothing_is_asked(runs: Runs, database: Database) -> None:
    assert settle_forgotten(runs.client, database, RULES, LATER) == []
