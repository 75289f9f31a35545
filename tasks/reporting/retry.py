"""The retry manifest: the rows to try again, in the input's own columns and format."""

from collections.abc import Iterable
from pathlib import Path

from data.domain.batches import BatchItem
from data.domain.retries import RetryFilter
from tasks.reporting.inputs import InputManifest


def write_retry(source: InputManifest, items: Iterable[BatchItem], wanted: RetryFilter, target: Path) -> int:
    """Write the rows of the items that a filter chooses, and return how many.

    Args:
        source: The manifest as it was handed in.
        items: The batch's items, ascending by row.
        wanted: What to try again.
        target: A file of the same format; without rows it is a manifest without rows.
    """
    return source.copy_rows((item.row for item in items if wanted.chooses(item)), target)
