"""The AI stage of several items of a batch, on the GPU pool."""

from prefect import flow

from data.domain.publications import GeneratedItem, ItemToGenerate
from tasks.generate_items import generate_pack
from tasks.policies import FLOW_POLICY
from tasks.stopping import stoppable


@flow(name="generate-items", **FLOW_POLICY)
def generate_items(
    batch_id: str, run_key: str, pack_run_id: str, items: list[ItemToGenerate]
) -> tuple[GeneratedItem, ...]:
    """Make what the recipes ask of AI for several transcoded items, each for itself: one that fails stops no other.

    Args:
        batch_id: Their batch.
        run_key: The key under which the feed bound them to their run.
        pack_run_id: That run, which waits for this one.
        items: What to work on.
    """
    with stoppable():
        return generate_pack(batch_id, run_key, pack_run_id, tuple(items))
