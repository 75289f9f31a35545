"""What is read of batches and jobs, and that reading it again changes nothing."""

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State, StateType

from api.gateway import open_gateway
from api.relay.collecting import Collector
from data.database import Database
from data.domain.batches import Batch, BatchOptions, BatchState
from data.domain.jobs import ITEM_TAG, JOB_TAG, place_in_queue
from data.domain.webhooks import DeliveryState, new_secret
from data.repositories import (
    BatchItemRepository,
    BatchRepository,
    DeliveryFilter,
    WebhookEndpointRepository,
    WebhookOutbox,
)
from deployments.stack import Stack
from tests.api.conftest import Prefect
from tests.fakes.catalogues import make_catalogue
from tests.fakes.webhooks import endpoint_at

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    make_catalogue(url)
    opened = Database(url)
    yield opened
    opened.close()


def listen(database: Database, *events: str) -> None:
    with database.session() as session:
        WebhookEndpointRepository(session).add(endpoint_at("https://x.example", new_secret(), events=events))


def collect(database: Database, prefect_server: Stack, times: int = 1) -> list[int]:
    """Collect as a relay that has just begun would, so many times."""

    async def once() -> int:
        async with open_gateway(prefect_server.prefect_api_url, crash_attempts=2) as gateway:
            collector = Collector(
                gateway, database, public_url="https://us.example", poll_seconds=1, news=asyncio.Event()
            )
            return await collector.collect()

    return [asyncio.run(once()) for _ in range(times)]


def told(database: Database, subject: str) -> list[str]:
    with database.session() as session:
        found = WebhookOutbox(session).page(DeliveryFilter(subject=subject, states=[DeliveryState.PENDING]), limit=500)
        return [each.type.value for _, each in reversed(found)]


def test_with_nobody_to_tell_prefect_is_not_asked(database: Database) -> None:
    async def once() -> int:
        async with open_gateway("http://127.0.0.1:9/api", crash_attempts=2) as gateway:
            collector = Collector(gateway, database, public_url="", poll_seconds=1, news=asyncio.Event())
            return await collector.collect()

    assert asyncio.run(once()) == 0


def test_the_moves_of_a_batch_are_told_once(database: Database, prefect_server: Stack) -> None:
    listen(database, "batch.*")
    collect(database, prefect_server)
    new_batch(database)
    for to in (BatchState.RUNNING, BatchState.PAUSED, BatchState.RUNNING, BatchState.COMPLETED):
        move(database, to)

    counts = collect(database, prefect_server, times=2)

    assert counts == [4, 0]
    assert told(database, "b1") == ["batch.started", "batch.paused", "batch.resumed", "batch.finished"]


def test_rows_of_a_batch_are_told_to_who_asks_also_when_all_end_at_once(
    database: Database, prefect_server: Stack
) -> None:
    listen(database, "item.*")
    new_batch(database)
    with database.session() as session:
        rows = [{"row": number, "custom_id": f"c{number}", "recipe": "quick"} for number in range(1, 701)]
        BatchItemRepository(session).add("b1", rows)
        BatchItemRepository(session).cancel_pending("b1", "request")

    counts = collect(database, prefect_server, times=3)

    assert counts == [500, 200, 0]
    assert told(database, "b1:7") == ["item.cancelled"]


def test_a_batch_is_told_to_those_who_came_with_it_and_rows_only_on_request(
    database: Database, prefect_server: Stack
) -> None:
    with database.session() as session:
        for name, events in (("of_batch", ("batch.*",)), ("of_rows", ("item.*",)), ("of_another", ("batch.*",))):
            of_one = {"id": f"whk_{name}", "is_for_one_job": True, "events": events}
            WebhookEndpointRepository(session).add(endpoint_at("https://x.example", new_secret(), **of_one))
    new_batch(database, webhooks=("whk_of_batch", "whk_of_rows"))
    move(database, BatchState.RUNNING)
    with database.session() as session:
        BatchItemRepository(session).add("b1", [{"row": 1, "custom_id": "c1", "recipe": "quick"}])
        BatchItemRepository(session).cancel_pending("b1", "request")

    collect(database, prefect_server)

    with database.session() as session:
        found = WebhookOutbox(session).page(DeliveryFilter(), limit=50)
        due = WebhookOutbox(session).due(datetime.now(UTC) + timedelta(hours=1), limit=9, per_endpoint=9)
    assert sorted((each.endpoint_id, each.type.value) for _, each in found) == [
        ("whk_of_batch", "batch.started"),
        ("whk_of_rows", "item.cancelled"),
    ]
    assert {each.traceparent for each in due} == {TRACEPARENT}, "what is told is of the trace of who handed it in"


def test_a_relay_that_was_away_catches_up_with_all_that_happened(
    database: Database, prefect_server: Stack, prefect: Prefect
) -> None:
    listen(database, "job.*")
    collect(database, prefect_server)
    job = run(prefect, JOB_TAG)
    prefect.start(job)
    prefect.force(job, State(type=StateType.CRASHED))
    prefect.start(job)
    prefect.force(job, State(type=StateType.FAILED, message="[DATA.INPUT.CORRUPT] no"))
    prefect.force(job, State(type=StateType.SCHEDULED, name="AwaitingRetry"))
    collect(database, prefect_server)
    prefect.start(job)
    prefect.force(job, State(type=StateType.COMPLETED))
    collect(database, prefect_server, times=2)

    assert told(database, job) == [
        "job.queued", "job.started", "job.retrying", "job.started", "job.failed", "job.retrying", "job.started",
        "job.succeeded",
    ]  # fmt: skip


def test_a_job_that_was_raised_before_anybody_looked_is_told_of_once(
    database: Database, prefect_server: Stack, prefect: Prefect
) -> None:
    listen(database, "job.*")
    job = run(prefect, JOB_TAG)
    raised: State[Any] = State(type=StateType.SCHEDULED, name="Raised")
    raised.state_details.scheduled_time = place_in_queue(datetime.now(UTC), "default", "high", datetime.now(UTC))
    prefect.force(job, State(type=StateType.PENDING))
    prefect.force(job, raised)

    collect(database, prefect_server, times=2)

    assert told(database, job) == ["job.queued"]


def test_items_and_what_is_no_job_are_not_told_of_as_jobs(
    database: Database, prefect_server: Stack, prefect: Prefect
) -> None:
    listen(database, "job.*")
    item = run(prefect, JOB_TAG, ITEM_TAG)
    other = str(prefect.client.create_flow_run_from_deployment(prefect.other_id).id)

    collect(database, prefect_server)

    assert told(database, item) == told(database, other) == []


def test_a_job_is_told_to_who_owns_it(database: Database, prefect_server: Stack, prefect: Prefect) -> None:
    with database.session() as session:
        for owner in ("ada", "bob"):
            WebhookEndpointRepository(session).add(
                endpoint_at("https://x.example", new_secret(), id=f"whk_{owner}", owner=owner)
            )
    job = run(prefect, JOB_TAG, "owner:ada")

    collect(database, prefect_server)

    with database.session() as session:
        found = WebhookOutbox(session).page(DeliveryFilter(subject=job))
        assert [each.endpoint_id for _, each in found] == ["whk_ada"]


def run(prefect: Prefect, *tags: str) -> str:
    made = prefect.client.create_flow_run_from_deployment(prefect.deployment_id, tags=list(tags), name=uuid.uuid4().hex)
    return str(made.id)


def new_batch(database: Database, webhooks: tuple[str, ...] = ()) -> None:
    batch = Batch(
        id="b1",
        name="n",
        manifest_uri="/m.csv",
        state=BatchState.PLANNED,
        created_at=datetime.now(UTC),
        options=BatchOptions(),
        webhooks=webhooks,
        traceparent=TRACEPARENT,
    )
    with database.session() as session:
        BatchRepository(session).create(batch)


def move(database: Database, to: BatchState) -> None:
    with database.session() as session:
        BatchRepository(session).move("b1", to, allowed_from=list(BatchState))
