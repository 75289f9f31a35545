"""Results of generations, and the files of the user's that were sent for them.

A video that is made of words becomes an asset's source, which never expires; its result is then a second copy, and
whoever asks for the same is given the source. A result of which no asset was made is a cache if it cost nothing. One
that was paid for is the only thing that money has bought, and stays unless the settings say otherwise. The ledger keeps
what it says about each.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import PurePosixPath

from data.database import Database
from data.domain.generations import GenerationState
from data.domain.keys import source_key
from data.domain.ledger import Generation
from data.repositories import GenerationRepository
from data.storage import ObjectStore, StoredObject
from tasks.retention.rounds import Ages, Deleted, is_older

_ROWS = 200


def expire_generations(
    store: ObjectStore,
    database: Database,
    part: str,
    ages: Ages,
    now: datetime,
    is_awaited: Callable[[str], bool],
    deleted: Deleted,
) -> None:
    """Delete results that nobody needs, and files that are no entry's result, of one part of the store.

    Args:
        store: The object store.
        database: The catalogue.
        part: First digit of the requests' digests.
        ages: How old something must be.
        now: The time, aware.
        is_awaited: Whether the job of an entry lives; asked right before a deletion.
        deleted: Counts.
    """
    for results in _in_chunks(store.list(f"generations/{part}")):
        with database.session() as session:
            entries = GenerationRepository(session).of_ids(_id(each) for each in results)
        for result in results:
            entry = entries.get(_id(result))
            kind = entry and _kind_of_expired(result, entry, store, ages, now)
            if entry and kind and not is_awaited(entry.subject.job_id):
                store.delete(result.key)
                deleted.add(kind, result.size_bytes)


def expire_references(
    store: ObjectStore, database: Database, part: str, ages: Ages, now: datetime, deleted: Deleted
) -> None:
    """Delete files of the user's that no generation has been sent for long and none still needs, of one part.

    Args:
        store: The object store.
        database: The catalogue.
        part: First digit of the files' sha256.
        ages: How old something must be.
        now: The time, aware.
        deleted: Counts.
    """
    old = [each for each in store.list(f"references/{part}") if is_older(each.modified_at, ages.caches, now)]
    if not old:
        return
    with database.session() as session:
        needed = GenerationRepository(session).needed_references()
    for reference in old:
        there = store.stat(reference.key)  # whoever uses it writes it anew
        if reference.key not in needed and there and is_older(there.modified_at, ages.caches, now):
            store.delete(reference.key)
            deleted.add("references", reference.size_bytes)


def _kind_of_expired(
    result: StoredObject, entry: Generation, store: ObjectStore, ages: Ages, now: datetime
) -> str | None:
    """Say as what a file is to be deleted, if it is. An entry in flight, or held, may still be about to name it."""
    if not entry.state.is_final or entry.state is GenerationState.HELD or entry.ended_at is None:
        return None
    if entry.state is not GenerationState.STORED or entry.result_key != result.key:
        return "attempts" if is_older(entry.ended_at, ages.attempts, now) else None
    if is_older(entry.ended_at, ages.caches, now) and (not entry.charged or _is_source(entry, store)):
        return "generations"
    return "generations" if entry.charged and is_older(entry.ended_at, ages.paid, now) else None


def _is_source(entry: Generation, store: ObjectStore) -> bool:
    return entry.result_sha256 is not None and store.stat(source_key(entry.result_sha256)) is not None


def _id(result: StoredObject) -> str:
    """Return the id of the entry that a result is named after (:func:`data.domain.keys.generation_key`)."""
    return PurePosixPath(result.key).stem


def _in_chunks(listed: Iterator[StoredObject]) -> Iterator[Sequence[StoredObject]]:
    while chunk := list(islice(listed, _ROWS)):
        yield chunk
