"""A night in one process: plan a manifest, and carry out what is new. ``python -m tests.fakes.one_night <manifest>``.

What the feed spreads over work pools is done here in a row, so that a test sees what the stages leave for later plans.
"""

import sys
from contextlib import suppress

from prefect import flow

from data.database import Database
from data.domain.batches import BatchOptions, BatchPlan, ItemState
from data.domain.errors import DataError
from data.repositories import BatchItemRepository
from data.settings import get_settings
from flows.process_asset import process_asset
from tasks.batches import plan_batch, register_batch, validate_batch


@flow(name="one-night", persist_result=False)
def one_night(manifest: str) -> BatchPlan:
    """Register, validate, plan, and process the pending items."""
    batch = validate_batch(
        register_batch(manifest, "A night", BatchOptions(recipe="quick", on_invalid="accept_valid")).id
    )
    plan = plan_batch(batch.id)
    with Database(get_settings().catalogue_url).session() as session:
        items = BatchItemRepository(session).page(batch.id, states=[ItemState.PENDING])
    for item in items:
        with suppress(DataError):
            process_asset(item.source, item.recipe, dict(item.overrides), item.title)
    return plan


if __name__ == "__main__":
    print(one_night(sys.argv[1]).model_dump_json())
