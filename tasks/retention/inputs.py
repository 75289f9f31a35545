"""Further files that edits worked with: a cache, since every job that names one fetches it again.

Each is as old as its last use (``tasks.inputs`` stores anew what is stale), so one that is old enough to go was not
taken in by any job for as long. A run that is resumed or retried goes on with what it took in, by the kept result of
that step: files outlive such results.
"""

from datetime import datetime, timedelta

from data.storage import ObjectStore
from tasks.last_use import RENEW_AFTER
from tasks.retention.rounds import Ages, Deleted, is_older


def expire_inputs(store: ObjectStore, part: str, ages: Ages, now: datetime, deleted: Deleted) -> None:
    """Delete files of edits, and what is known of them, that no job has used for long, of one part of the store.

    Args:
        store: The object store.
        part: First digit of the files' sha256.
        ages: How old something must be.
        now: The time, aware.
        deleted: Counts.
    """
    age = _age(ages)
    for old in [each for each in store.list(f"inputs/{part}") if is_older(each.modified_at, age, now)]:
        there = store.stat(old.key)  # whoever uses it writes it anew
        if there and is_older(there.modified_at, age, now):
            store.delete(old.key)
            deleted.add("inputs", old.size_bytes)


def _age(ages: Ages) -> timedelta | None:
    """Return how old a file must be: older than the result of any step that names it, were it used when just stale."""
    return None if ages.caches is None else max(ages.caches, ages.results or ages.caches) + RENEW_AFTER
