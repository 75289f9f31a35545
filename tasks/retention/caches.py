"""Packages and artifacts that no job has used for long, and what attempts at them left.

Both are only caches: a publication has its own copy of everything. A record says that the work is whole and, by its
age, when it was used last (``tasks.last_use``). One round deletes the record; without it nobody finds the files any
more, and a later round deletes them as those of an attempt that came to nothing. So a job that found the record in the
last moment is alive, and keeps the files, when their turn comes.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import groupby

from data.database import Database
from data.domain.publications import Package
from data.repositories import ArtifactRepository, PackageRepository
from data.storage import ObjectStore, StoredObject
from tasks.retention.rounds import Ages, Deleted, is_older
from tasks.retention.trees import Tree, trees_of

_RECORD = "record.json"


def expire_packages(
    store: ObjectStore,
    database: Database,
    part: str,
    ages: Ages,
    now: datetime,
    is_in_use: Callable[[str], bool],
    deleted: Deleted,
) -> None:
    """Delete unused packages, and files of attempts at transcoding that no record names, of one part of the store.

    Args:
        store: The object store.
        database: The catalogue.
        part: First digit of the assets' ids.
        ages: How old something must be.
        now: The time, aware.
        is_in_use: Whether a living job works on an asset; asked right before a deletion.
        deleted: Counts.
    """
    for asset_id, listed in groupby(store.list(f"packages/{part}"), key=lambda stored: stored.key.split("/")[1]):
        records, objects = _split(listed)
        attempts = list(trees_of(objects, depth=4))
        for record in records:
            if is_older(record.modified_at, ages.caches, now) and not is_in_use(asset_id):
                store.delete(record.key)
                with database.session() as session:
                    PackageRepository(session).forget(record.key.rpartition("/")[2].removesuffix(".json"))
                deleted.add("packages", record.size_bytes)
        for attempt in _dead_attempts(store, records, attempts, ages, now):
            if not is_in_use(asset_id):
                store.delete_tree(attempt.prefix)
                deleted.add("attempts", attempt.size_bytes)


def expire_artifacts(
    store: ObjectStore,
    database: Database,
    part: str,
    ages: Ages,
    now: datetime,
    is_in_use: Callable[[str], bool],
    deleted: Deleted,
) -> None:
    """Delete unused artifacts, and half-made ones without a record, of one part of the store.

    Args:
        store: The object store.
        database: The catalogue.
        part: First digit of the assets' ids.
        ages: How old something must be.
        now: The time, aware.
        is_in_use: Whether a living job works on an asset; asked right before a deletion.
        deleted: Counts.
    """
    for prefix, listed in groupby(store.list(f"artifacts/{part}"), key=_artifact_prefix):
        objects = list(listed)
        _, asset_id, kind, key = prefix.split("/")[:4]
        record = next((each for each in objects if each.key == prefix + _RECORD), None)
        if record and is_older(record.modified_at, ages.caches, now) and not is_in_use(asset_id):
            store.delete(record.key)
            with database.session() as session:
                ArtifactRepository(session).forget(asset_id, kind, key)
            deleted.add("artifacts", record.size_bytes)
        written_at = max(each.modified_at for each in objects)
        if not record and is_older(written_at, ages.attempts, now) and not is_in_use(asset_id):
            store.delete_tree(prefix)
            deleted.add("attempts", sum(each.size_bytes for each in objects))


def _split(listed: Iterable[StoredObject]) -> tuple[list[StoredObject], list[StoredObject]]:
    """Tell records (``packages/ASSET/KEY.json``) from files."""
    objects = list(listed)
    is_record = [stored.key.count("/") == 2 and stored.key.endswith(".json") for stored in objects]
    pairs = list(zip(objects, is_record, strict=True))
    return [each for each, yes in pairs if yes], [each for each, yes in pairs if not yes]


def _dead_attempts(
    store: ObjectStore, records: Iterable[StoredObject], attempts: Iterable[Tree], ages: Ages, now: datetime
) -> Iterator[Tree]:
    """Find the attempts that no record names and that nobody has written to for long enough."""
    record_keys = {record.key for record in records}
    for work, group in groupby(attempts, key=lambda tree: tree.prefix.rsplit("/", 2)[0]):
        candidates = [tree for tree in group if is_older(tree.modified_at, ages.attempts, now)]
        named = None
        if candidates and f"{work}.json" in record_keys:
            if store.stat(f"{work}.json") is None:
                continue  # deleted in this very round: the files' turn is the next
            named = Package.model_validate_json(store.get_bytes(f"{work}.json")).prefix
        yield from (tree for tree in candidates if tree.prefix != named)


def _artifact_prefix(stored: StoredObject) -> str:
    return "/".join(stored.key.split("/", 4)[:4]) + "/"
