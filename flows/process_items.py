"""A pack: several short items of a batch in one run."""

from prefect import flow

from tasks.items import open_pack, process_pack
from tasks.stopping import stoppable


@flow(name="process-items", persist_result=False)
def process_items(batch_id: str, run_key: str) -> int:
    """Take several items of a batch from ingest to publication, each for itself: one that fails stops no other.

    The run completes when it has done its job, whatever the items came to; their outcome is in the catalogue.

    Args:
        batch_id: Their batch.
        run_key: The key under which the feed bound them to this run.
    """
    pack = open_pack(batch_id, run_key)
    with stoppable():
        process_pack(pack)
    return len(pack.items)
