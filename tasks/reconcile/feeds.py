"""Batches that nobody feeds: a lost feed run is never the end of a batch."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterTags
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun

from data.database import Database
from data.domain.batches import Batch
from data.domain.feeds import PROCESS_BATCH, feed_key, feed_tags, needs_feed
from data.domain.identity import owner_tag
from data.repositories import BatchRepository
from data.telemetry.tracing import labels_of

REPORTED_WITHIN = timedelta(days=1)
"""A batch that ended without a report gets one within this; later nobody waits for it."""
_LONGEST_PAUSE = timedelta(minutes=30)
_GRACE = timedelta(minutes=1)
"""Whoever has just made a batch makes its feed run too."""


def feed_forgotten(client: SyncPrefectClient, database: Database) -> list[str]:
    """Have runs made for batches that need one and have none that lives; return the batches' ids.

    Each further run of a batch waits a minute longer than the one before, so that a feed that fails at once does not
    fail all night.
    """
    now = datetime.now(UTC)
    with database.session() as session:
        batches = BatchRepository(session)
        wanting = [*batches.unfinished(), *batches.unreported(now - REPORTED_WITHIN)]
    waiting = [batch for batch in wanting if needs_feed(batch) and now - batch.created_at > _GRACE]
    return [batch.id for batch in waiting if ensure_feed(client, batch, now)]


def ensure_feed(client: SyncPrefectClient, batch: Batch, now: datetime | None = None) -> bool:
    """Have a run made that works on a batch, unless one does; say whether one was made.

    Args:
        client: Prefect's.
        batch: A batch that needs a feed.
        now: Where given, a batch that had runs before waits for its turn.
    """
    tagged = client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=feed_tags(batch.id))))
    ids = [UUID(each) for each in {batch.id, batch.feed_run_id or batch.id}]
    # What somebody started by hand, or a schedule, carries no batch's tag; it made the batch, or noted that it feeds.
    named = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids)))
    if any(_is_live(run) for run in (*tagged, *named)) or (now and not _is_due(tagged, now)):
        return False
    deployment = client.read_deployment_by_name(PROCESS_BATCH)
    client.create_flow_run_from_deployment(
        deployment.id,
        parameters={"batch_id": batch.id, "name": batch.name},
        name=batch.name,
        tags=[*feed_tags(batch.id), owner_tag(batch.owner)],
        idempotency_key=feed_key(batch.id, len(tagged)),
        labels=labels_of(batch.traceparent),
    )
    return True


def _is_due(runs: list[FlowRun], now: datetime) -> bool:
    ended = [run.end_time for run in runs if run.end_time is not None]
    pause = min(timedelta(minutes=len(runs)), _LONGEST_PAUSE)
    return not ended or now - max(ended) > pause


def _is_live(run: FlowRun) -> bool:
    return run.state is None or run.state.type not in TERMINAL_STATES
