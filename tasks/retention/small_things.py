"""What belongs to no asset: uploads, results of runs' steps, answers kept for repeated calls, killed writers' files."""

from collections.abc import Callable
from datetime import datetime, timedelta

from data.database import Database
from data.repositories import (
    BatchItemRepository,
    IdempotencyRepository,
    StepCostRepository,
    TokenRepository,
    UploadRepository,
    WebhookEndpointRepository,
    WebhookOutbox,
)
from data.storage import ObjectStore
from tasks.retention.rounds import Deleted

MOST_UPLOADS = 500
MOST_EVENTS = 2000
_ROUNDS_OF_EVENTS = 50
ANSWERS_AGE = timedelta(days=7)
"""Nobody repeats a call with the same ``Idempotency-Key`` after a week."""
COSTS_AGE = timedelta(days=30)
"""What steps took is told of a batch when it ends; estimates need the latest only."""
OLDEST_COSTS_AGE = timedelta(days=365)
"""No estimate needs what is older, also where little came after it."""
MOST_COSTS = 20_000
TEMPORARY_AGE = timedelta(days=1)
"""No upload into the store takes longer."""


def expire_uploads(
    store: ObjectStore,
    database: Database,
    age: timedelta | None,
    is_awaited: Callable[[str], bool],
    deleted: Deleted,
    most: int = MOST_UPLOADS,
) -> None:
    """Delete uploads of at least that age; ingest has put what it took among the sources.

    What an item of a batch names stays until that has ended, however long it waits to be fed.

    Args:
        store: The object store.
        database: The catalogue.
        age: ``None`` keeps all.
        is_awaited: Whether a job that has not ended names an upload.
        deleted: Counts.
        most: Are looked at together; about so many are deleted.
    """
    if age is None:
        return
    forgotten, last = 0, None
    while forgotten < most:
        with database.session() as session:
            uploads = UploadRepository(session).older_than(age, most, last)
            needed = BatchItemRepository(session).uploads_needed([upload.id for upload in uploads])
        for upload in uploads:
            if upload.id not in needed and not is_awaited(upload.id):
                store.delete(upload.key)
                with database.session() as session:
                    UploadRepository(session).forget(upload.id)
                deleted.add("uploads", upload.size_bytes or 0)
                forgotten += 1
        if len(uploads) < most:
            break
        last = uploads[-1]


def expire_results(store: ObjectStore, part: str, age: timedelta | None, now: datetime, deleted: Deleted) -> None:
    """Delete the results of runs' steps of at least that age whose names begin with that digit.

    A run that is resumed or retried later than that does the step again.
    """
    if age is None:
        return
    for stored in store.list(f"results/{part}"):
        if now - stored.modified_at > age:
            store.delete(stored.key)
            deleted.add("results", stored.size_bytes)


def expire_webhooks(database: Database, age: timedelta | None, deleted: Deleted) -> None:
    """Delete events of at least that age, with their deliveries, and endpoints of jobs that nothing is left of.

    What somebody is still to be told of stays, however old it is.

    Args:
        database: The catalogue.
        age: ``None`` keeps all.
        deleted: Counts.
    """
    if age is None:
        return
    for _ in range(_ROUNDS_OF_EVENTS):
        with database.session() as session:
            count = WebhookOutbox(session).forget(age, MOST_EVENTS)
        if count:
            deleted.add("webhook events", 0, count)
        if count < MOST_EVENTS:
            break
    with database.session() as session:
        WebhookEndpointRepository(session).forget_those_of_one_job(age)


def sweep(store: ObjectStore, database: Database, deleted: Deleted) -> None:
    """Remove what killed writers left in the store, and what was answered to calls that nobody repeats any more.

    Logins that are over go as well, and what steps took, where no estimate needs it any more.
    """
    for _ in range(store.sweep_temporary(TEMPORARY_AGE.total_seconds())):
        deleted.add("temporary files", 0)
    with database.session() as session:
        IdempotencyRepository(session).forget(ANSWERS_AGE)
        TokenRepository(session).forget_expired()
    with database.session() as session:
        StepCostRepository(session).forget(COSTS_AGE, OLDEST_COSTS_AGE, MOST_COSTS)
