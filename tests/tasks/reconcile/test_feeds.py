"""A lost feed run is never the end of a batch."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, StateType

from data.database import Database
from data.domain.batches import Batch, BatchOptions, BatchReason, BatchState
from data.domain.feeds import feed_tags
from data.repositories import BatchRepository
from data.telemetry.tracing import TRACE_LABEL
from tasks.reconcile.feeds import feed_forgotten
from tests.tasks.reconcile.conftest import Runs

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)

Store = Callable[..., Batch]


@pytest.fixture
def store(database: Database) -> Store:
    def stored(state: BatchState, **values: Any) -> Batch:
        named = {"name": "b", "manifest_uri": "/m.csv", "options": BatchOptions(), "created_at": HOUR_AGO, **values}
        batch = Batch(id=str(uuid.uuid4()), state=state, **named)
        with database.session() as session:
            BatchRepository(session).create(batch)
        return batch

    return stored


def feeds(runs: Runs, batch: Batch) -> list[FlowRun]:
    return runs.client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=feed_tags(batch.id))))


def test_each_batch_that_nobody_feeds_gets_one_run(runs: Runs, database: Database, store: Store) -> None:
    traced = store(BatchState.PAUSED, traceparent=TRACEPARENT)
    forgotten = [store(BatchState.RECEIVED), store(BatchState.RUNNING), traced]
    store(BatchState.PLANNED, reason=BatchReason.DRY_RUN)
    store(BatchState.RECEIVED, created_at=datetime.now(UTC))  # whoever made it is just about to

    fed, again = feed_forgotten(runs.client, database), feed_forgotten(runs.client, database)

    assert (set(fed), again) == ({batch.id for batch in forgotten}, [])
    assert all(feeds(runs, batch)[0].parameters["batch_id"] == batch.id for batch in forgotten)
    assert feeds(runs, traced)[0].labels[TRACE_LABEL] == TRACEPARENT


def test_a_batch_that_ended_without_a_report_gets_one(runs: Runs, database: Database, store: Store) -> None:
    unreported = store(BatchState.COMPLETED, ended_at=HOUR_AGO)
    store(BatchState.COMPLETED, ended_at=HOUR_AGO, outputs={"report": "batches/b/report.html"})
    store(BatchState.COMPLETED, ended_at=HOUR_AGO - timedelta(days=2))

    assert feed_forgotten(runs.client, database) == [unreported.id]


def test_a_feed_that_fails_is_made_again_after_a_while(runs: Runs, database: Database, store: Store) -> None:
    batch = store(BatchState.RUNNING)
    feed_forgotten(runs.client, database)
    [first] = feeds(runs, batch)
    runs.force(first, StateType.RUNNING)
    runs.force(first, StateType.FAILED)

    assert feed_forgotten(runs.client, database) == []  # not at once: it would fail all night


def test_the_run_that_made_a_batch_feeds_it(runs: Runs, database: Database) -> None:
    deployment = runs.client.read_deployment_by_name("process-batch/on-demand")
    run = runs.client.create_flow_run_from_deployment(deployment.id, parameters={"manifest": "/m.csv"})
    batch = Batch(
        id=str(run.id),
        state=BatchState.PLANNING,
        name="b",
        manifest_uri="/m.csv",
        options=BatchOptions(),
        created_at=HOUR_AGO,
    )
    with database.session() as session:
        BatchRepository(session).create(batch)

    assert feed_forgotten(runs.client, database) == []
