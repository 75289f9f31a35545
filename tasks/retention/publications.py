"""Published versions after another took their place, and files of attempts at publishing that came to nothing.

What is public is what the publication manifest names, and nothing else is: the manifest is read again right before
each deletion. An old version is first marked in the catalogue as no longer public, then its files go.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby

from data.database import Database
from data.publishing import current_publication
from data.repositories import PublicationRepository, PublishedVersion
from data.storage import ObjectStore, StoredObject
from tasks.retention.rounds import Ages, Deleted
from tasks.retention.trees import Tree, trees_of

_VERSION_PREFIX = re.compile(r"publications/[0-9a-f]+/v\d+-[^/]+/")


def expire_publications(
    store: ObjectStore,
    database: Database,
    part: str,
    ages: Ages,
    now: datetime,
    is_in_use: Callable[[str], bool],
    deleted: Deleted,
) -> None:
    """Delete old versions, and prefixes that no manifest names, of the assets of one part of the store.

    Args:
        store: The object store.
        database: The catalogue.
        part: First digit of the assets' ids.
        ages: How old something must be.
        now: The time, aware.
        is_in_use: Whether a living job works on an asset; asked right before a deletion.
        deleted: Counts.
    """
    for asset_id, objects in _by_asset(store, part):
        trees = [tree for tree in trees_of(objects, depth=3) if _VERSION_PREFIX.fullmatch(tree.prefix)]
        current, _ = current_publication(store, asset_id)
        if all(current is not None and tree.prefix == current.prefix for tree in trees):
            continue
        with database.session() as session:
            history = PublicationRepository(session).history(asset_id)
        for tree in trees:
            kind = _kind_of_expired(tree, history, ages, now)
            if kind and not is_in_use(asset_id):
                _delete(store, database, asset_id, tree, history, kind, deleted)


def _kind_of_expired(tree: Tree, history: tuple[PublishedVersion, ...], ages: Ages, now: datetime) -> str | None:
    """Say as what a tree is to be deleted, if it is."""
    version = next((each for each in history if each.prefix == tree.prefix), None)
    if version is None:
        is_old = ages.attempts is not None and now - tree.modified_at > ages.attempts
        return "attempts" if is_old else None
    moments = [each for each in (version.retracted_at, _superseded_at(version, history)) if each is not None]
    is_old = ages.versions is not None and bool(moments) and now - min(moments) > ages.versions
    return "versions" if is_old else None


def _superseded_at(version: PublishedVersion, history: tuple[PublishedVersion, ...]) -> datetime | None:
    later = [each for each in history if each.version > version.version]
    return min(later, key=lambda each: each.version).published_at if later else None


def _delete(
    store: ObjectStore,
    database: Database,
    asset_id: str,
    tree: Tree,
    history: tuple[PublishedVersion, ...],
    kind: str,
    deleted: Deleted,
) -> None:
    current, _ = current_publication(store, asset_id)
    if current is not None and current.prefix == tree.prefix:
        return
    version = next((each.version for each in history if each.prefix == tree.prefix), None)
    if version is not None:
        with database.session() as session:
            PublicationRepository(session).expire(asset_id, version)
    store.delete_tree(tree.prefix)
    deleted.add(kind, tree.size_bytes)


def _by_asset(store: ObjectStore, part: str) -> Iterator[tuple[str, Iterator[StoredObject]]]:
    return groupby(store.list(f"publications/{part}"), key=lambda stored: stored.key.split("/")[1])
