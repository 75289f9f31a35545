"""An object store that breaks on purpose: after a number of writes it refuses, or the power goes."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from data.domain.errors import StoreUnavailableError
from data.storage import ObjectStore, StoredObject
from data.storage.base import tree_prefix


class FailingStore:
    """The real store, but the write number ``fails_at`` (from 1) fails before it does anything.

    Reads, listings and deletions go through. A ``compare_and_swap`` counts as a write.
    """

    def __init__(self, store: ObjectStore, fails_at: int) -> None:
        self._store = store
        self._fails_at = fails_at
        self.writes = 0

    def _count(self) -> None:
        self.writes += 1
        if self.writes == self._fails_at:
            raise StoreUnavailableError(f"Write {self.writes} fails on purpose.")

    def put_file(self, path: Path, key: str, content_type: str | None = None) -> StoredObject:
        self._count()
        return self._store.put_file(path, key, content_type)

    def put_bytes(self, data: bytes, key: str, content_type: str | None = None) -> StoredObject:
        self._count()
        return self._store.put_bytes(data, key, content_type)

    def copy(self, source_key: str, key: str) -> StoredObject:
        self._count()
        return self._store.copy(source_key, key)

    def copy_tree(self, source_prefix: str, prefix: str, names: Collection[str] | None = None) -> dict[str, int]:
        """Copy one after the other, so that each is a write that may fail."""
        folder = tree_prefix(source_prefix)
        wanted = [each.key.removeprefix(folder) for each in self.list(folder)] if names is None else names
        return {name: self.copy(folder + name, tree_prefix(prefix) + name).size_bytes for name in wanted}

    def compare_and_swap(self, key: str, data: bytes, expected_etag: str | None) -> str:
        self._count()
        return self._store.compare_and_swap(key, data, expected_etag)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
