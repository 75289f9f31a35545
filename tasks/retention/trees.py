"""Objects of the store, gathered into the trees that are deleted as a whole."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from data.storage import StoredObject


@dataclass(frozen=True)
class Tree:
    """All objects below a prefix."""

    prefix: str
    """Ends with a slash."""
    size_bytes: int
    modified_at: datetime
    """Of the newest object. In a local store a copy within the store is as old as its bytes."""


def trees_of(objects: Iterable[StoredObject], depth: int) -> Iterator[Tree]:
    """Gather objects, sorted by key, into trees whose prefix has so many parts; objects above that depth are left out.

    Args:
        objects: In the order of their keys, as the store lists them.
        depth: Parts of the prefix: 3 for ``publications/ASSET/VERSION/``.
    """
    deep = (stored for stored in objects if stored.key.count("/") >= depth)
    for prefix, group in groupby(deep, key=lambda stored: "/".join(stored.key.split("/", depth)[:depth]) + "/"):
        size_bytes, modified_at = 0, None
        for stored in group:
            size_bytes += stored.size_bytes
            modified_at = max(modified_at or stored.modified_at, stored.modified_at)
        assert modified_at is not None
        yield Tree(prefix, size_bytes, modified_at)
