"""The runs that feed a batch, as whoever makes them agrees on: the API, upkeep, the watched folder."""

from data.domain.batches import ENDED_BATCHES, Batch, BatchWish
from data.domain.jobs import BATCH_TAG

PROCESS_BATCH = "process-batch/on-demand"
"""The deployment; its runs get nothing but the id of a batch that is in the catalogue."""
REPORT = "report"
"""Name of the morning report among a batch's outputs: the last thing that its feed makes."""


def needs_feed(batch: Batch) -> bool:
    """Say whether a run has to work on a batch: it has not ended, or nobody has reported on it."""
    if batch.state in ENDED_BATCHES:
        return REPORT not in batch.outputs
    return not batch.awaits_a_word or batch.wish is BatchWish.CANCEL


def feed_tags(batch_id: str) -> list[str]:
    """Return the Prefect tags of the runs that feed a batch."""
    return [BATCH_TAG, f"batch:{batch_id}"]


def feed_key(batch_id: str, runs_before: int) -> str:
    """Return Prefect's idempotency key of a batch's next feed run: two who ask for it at once get one."""
    return f"feed:{batch_id}:{runs_before}"
