"""What is public, as the publication manifests say; kept for a moment, because a player asks for many files."""

import re
import threading
import time
from collections import OrderedDict

from data.database import Database
from data.domain.errors import NotFoundError
from data.domain.publications import PublicationManifest
from data.publishing import current_publication
from data.repositories import PublicationRepository
from data.storage import ObjectStore

FRESH_SECONDS = 2.0
"""How long an answer about the current publication may be reused; a new publication shows after that."""
KEPT_MANIFESTS = 256

_ASSET_ID = re.compile(r"[0-9a-f]{24}")


class Publications:
    """Finds publication manifests. Lives as long as the application; safe between threads."""

    def __init__(self, store: ObjectStore, database: Database) -> None:
        self._store = store
        self._database = database
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int | None], tuple[float, PublicationManifest | None]] = OrderedDict()

    def current(self, asset_id: str) -> PublicationManifest | None:
        """Return what is public about an asset now, ``None`` when nothing is.

        The object store says so, not the catalogue: its manifest is what a publish switches, in one step.
        """
        return self._remembered(asset_id, None)

    def version(self, asset_id: str, version: int) -> PublicationManifest:
        """Return a version, the current one or one before it that viewers may still be playing.

        Raises:
            NotFoundError: There is no such version.
        """
        found = self.current(asset_id)
        if found is not None and found.version != version:
            found = self._remembered(asset_id, version)
        if found is None:
            raise NotFoundError(f"There is no version {version} of asset {asset_id}.")
        return found

    def forget(self, asset_id: str) -> None:
        """Drop what is remembered of an asset, since it has just been changed here."""
        with self._lock:
            for key in [each for each in self._kept if each[0] == asset_id]:
                del self._kept[key]

    def _remembered(self, asset_id: str, version: int | None) -> PublicationManifest | None:
        if not _ASSET_ID.fullmatch(asset_id):
            return None
        key = (asset_id, version)
        with self._lock:
            read_at, kept = self._kept.get(key, (-FRESH_SECONDS, None))
        if time.monotonic() - read_at < FRESH_SECONDS:
            return kept
        found = self._read_current(asset_id) if version is None else self._read_version(asset_id, version)
        with self._lock:
            self._kept[key] = (time.monotonic(), found)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT_MANIFESTS:
                self._kept.popitem(last=False)
        return found

    def _read_current(self, asset_id: str) -> PublicationManifest | None:
        return current_publication(self._store, asset_id)[0]

    def _read_version(self, asset_id: str, version: int) -> PublicationManifest | None:
        with self._database.session() as session:
            return PublicationRepository(session).find(asset_id, version)
