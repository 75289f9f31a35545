"""An object store that breaks on purpose: after a number of writes it refuses, or the power goes."""

from pathlib import Path
from typing import Any

from data.domain.errors import StoreUnavailableError
from data.storage import ObjectStore, StoredObject


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

    def compare_and_swap(self, key: str, data: bytes, expected_etag: str | None) -> str:
        self._count()
        return self._store.compare_and_swap(key, data, expected_etag)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
