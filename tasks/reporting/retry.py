"""The retry manifest: the rows to try again, in the input's own columns and format."""

from collections.abc import Iterable
from pathlib import Path

from data.domain.batches import BatchItem
from data.domain.retries import RetryFilter
from data.manifests import Manifest, copy_rows


def write_retry(manifest: Manifest, items: Iterable[BatchItem], wanted: RetryFilter, target: Path) -> int:
    """Write the rows of the items that a filter chooses, and return how many.

    Args:
        manifest: The manifest as it was handed in.
        items: The batch's items, ascending by row.
        wanted: What to try again.
        target: A file of the same format; without rows it is a manifest without rows.
    """
    return copy_rows(manifest, (item.row for item in items if wanted.chooses(item)), target)
