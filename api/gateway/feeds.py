"""The runs that feed batches: each batch that needs one has exactly one that lives."""

from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterTags
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun

from api.gateway.translation import translated
from data.domain.batches import Batch
from data.domain.feeds import PROCESS_BATCH, feed_key, feed_tags, needs_feed
from data.domain.identity import owner_tag
from data.telemetry.tracing import labels_of


async def ensure_feed(client: PrefectClient, batch: Batch) -> None:
    """Have a run made that works on a batch, unless the batch needs none or has one that has not ended.

    Raises:
        OrchestratorUnavailableError: Prefect is away, or its deployments were never made.
    """
    if not needs_feed(batch):
        return
    tags = feed_tags(batch.id)
    tagged = await _runs(client, FlowRunFilter(tags=FlowRunFilterTags(all_=tags)))
    # What somebody started by hand, or a schedule, carries no batch's tag; it made the batch, or noted that it feeds.
    named = await _runs(client, FlowRunFilter(id=FlowRunFilterId(any_=_run_ids(batch))))
    if any(_is_live(run) for run in (*tagged, *named)):
        return
    with translated(f"The deployment {PROCESS_BATCH} does not exist yet: run the bootstrap.", missing=True):
        deployment = await client.read_deployment_by_name(PROCESS_BATCH)
    with translated():
        await client.create_flow_run_from_deployment(
            deployment.id,
            parameters={"batch_id": batch.id, "name": batch.name},
            name=batch.name,
            tags=[*tags, owner_tag(batch.owner)],
            idempotency_key=feed_key(batch.id, len(tagged)),
            labels=labels_of(batch.traceparent),
        )


def _run_ids(batch: Batch) -> list[UUID]:
    return [UUID(each) for each in {batch.id, batch.feed_run_id or batch.id}]


async def _runs(client: PrefectClient, wanted: FlowRunFilter) -> list[FlowRun]:
    with translated():
        return await client.read_flow_runs(flow_run_filter=wanted)


def _is_live(run: FlowRun) -> bool:
    return run.state is None or run.state.type not in TERMINAL_STATES
