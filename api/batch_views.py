"""Batches and their items as the API shows them."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from api.batch_progress import batch_progress
from api.batch_schemas import BatchAnswer, BatchCounts, BatchItemAnswer, BatchLinks, BatchSummary, ItemLinks
from api.cursors import CreatedPosition, decode_row, encode_row
from api.dependencies import Services
from api.links import asset_url, batch_url, job_url, prefect_run_url, watch_url
from api.privacy import without_local_paths
from api.schemas import Page
from data.domain.batches import (
    ENDED_BATCHES,
    Batch,
    BatchItem,
    BatchState,
    BatchWish,
    ItemCounts,
    ItemState,
    has_own_run,
)
from data.recipes import rehearsal_names
from data.repositories import BatchItemRepository, BatchRepository, BatchStoryRepository


def show_batch(batch_id: str, services: Services) -> BatchAnswer:
    """Return a batch with everything about it; costs the same look at the catalogue whatever its size.

    Raises:
        NotFoundError: There is no such batch.
    """
    with services.database.session() as session:
        batch = BatchRepository(session).get(batch_id, services.caller.only_owner)
        tallies = BatchItemRepository(session).tally(batch.id)
        pauses = BatchStoryRepository(session, batch).pauses()
    counts = ItemCounts.of(batch.rows, {state: tally.items for state, tally in tallies.items()})
    return BatchAnswer(
        **_summary(batch, counts, services).model_dump(),
        progress=batch_progress(batch, tallies, pauses, datetime.now(UTC)),
        plan=batch.plan,
        options=batch.options,
        retry_of=batch.retry_of,
        retry_filter=batch.retry_filter,
        webhooks=batch.webhooks,
    )


def list_batches(
    services: Services, states: Collection[BatchState], after: str | None, limit: int
) -> Page[BatchSummary]:
    """Return batches, the latest first.

    Raises:
        InvalidRequestError: ``after`` is no cursor.
    """
    position = CreatedPosition.decode(after) if after else None
    before = (position.created_at, position.id) if position else None
    with services.database.session() as session:
        found = BatchRepository(session).page(
            states=states, before=before, limit=limit + 1, owner=services.caller.only_owner
        )
        batches = found[:limit]
        counts = BatchItemRepository(session).counts_of(batches)
    last = batches[-1] if len(found) > limit else None
    return Page[BatchSummary](
        items=tuple(_summary(batch, counts[batch.id], services) for batch in batches),
        next=CreatedPosition(last.created_at, last.id).encode() if last else None,
    )


def list_items(
    batch_id: str, services: Services, states: Collection[ItemState], after: str | None, limit: int
) -> Page[BatchItemAnswer]:
    """Return rows of a batch in the order of its manifest.

    Raises:
        NotFoundError: There is no such batch.
        InvalidRequestError: ``after`` is no cursor.
    """
    after_row = decode_row(after) if after else 0
    with services.database.session() as session:
        batch = BatchRepository(session).get(batch_id, services.caller.only_owner)
        items = BatchItemRepository(session)
        found = items.page(batch.id, states=states, after_row=after_row, limit=limit + 1)
    rehearsals = rehearsal_names(services.settings.recipe_folder)
    return Page[BatchItemAnswer](
        items=tuple(_item(batch, item, rehearsals, services) for item in found[:limit]),
        next=encode_row(found[limit - 1].row) if len(found) > limit else None,
    )


def _summary(batch: Batch, counts: ItemCounts, services: Services) -> BatchSummary:
    is_asked = batch.wish is not BatchWish.RUN and batch.state not in ENDED_BATCHES
    return BatchSummary(
        id=batch.id,
        name=batch.name,
        manifest=batch.manifest_uri,
        owner=batch.owner,
        state=batch.state,
        reason=batch.reason,
        message=without_local_paths(batch.message, known=batch.manifest_uri),
        asked=batch.wish.value if is_asked else None,
        counts=BatchCounts(
            **counts.model_dump(), ended=counts.ended, in_flight=counts.in_flight, balances=counts.balances
        ),
        spent=batch.spent,
        currency=batch.plan.currency if batch.plan else services.settings.batch.currency,
        created_at=batch.created_at,
        started_at=batch.started_at,
        ended_at=batch.ended_at,
        moves=tuple(sorted(batch.moves)),
        links=_links(batch, services.settings.api.prefect_ui_url),
    )


def _links(batch: Batch, prefect_ui_url: str) -> BatchLinks:
    url, outputs = batch_url(batch.id), batch.outputs
    return BatchLinks(
        self=url,
        items=f"{url}/items",
        results=f"{url}/results" if "results_csv" in outputs else None,
        rejects=f"{url}/rejects" if "rejects" in outputs else None,
        retry_manifest=f"{url}/retry-manifest" if "retry" in outputs else None,
        report=f"{url}/report" if "report" in outputs else None,
        retry_of=batch_url(batch.retry_of) if batch.retry_of else None,
        prefect=prefect_run_url(prefect_ui_url, batch.feed_run_id) if batch.feed_run_id else None,
    )


def _item(batch: Batch, item: BatchItem, rehearsals: Iterable[str], services: Services) -> BatchItemAnswer:
    own_run = item.run_id is not None and has_own_run(item, batch.options.pack_seconds, frozenset(rehearsals))
    fields = item.model_dump(include=set(BatchItemAnswer.model_fields) - {"custom_id", "links", "message"})
    return BatchItemAnswer(
        **fields,
        custom_id=item.own_id,
        message=without_local_paths(item.message, known=item.source),
        links=ItemLinks(
            job=job_url(item.run_id) if own_run and item.run_id else None,
            asset=asset_url(item.asset_id) if item.asset_id else None,
            watch=watch_url(item.asset_id) if item.asset_id and item.version else None,
            prefect=prefect_run_url(services.settings.api.prefect_ui_url, item.run_id) if item.run_id else None,
        ),
    )
