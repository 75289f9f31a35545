"""Finished pieces of a package that is being made, in the object store: who comes later goes on with them.

A piece counts when its record is there, which names the attempt whose files it tells of and is written last; so two who
make the same piece at once do not mix their files. All of them lie below the package's own key, that of content,
recipe and tools: there retention sees an attempt at the package, and deletes what a job leaves that never comes back.
"""

import secrets
from pathlib import Path

from pydantic import ValidationError

from data.domain.errors import ObjectMissingError, StoreUnavailableError
from data.domain.keys import package_pieces_prefix
from data.domain.model import DomainModel
from data.storage import ObjectStore
from tasks.media.pieces import MadePiece, PieceAccount


class _Record(DomainModel):
    """Says which files a finished piece has."""

    prefix: str
    account: PieceAccount


class ChunkStore:
    """The finished pieces of one package. Safe to share between threads."""

    def __init__(self, store: ObjectStore, asset_id: str, key: str) -> None:
        self._store = store
        self._prefix = package_pieces_prefix(asset_id, key)
        self._known: dict[str, _Record] = {}  # what others make of the same piece meanwhile changes nothing here

    def find(self, name: str) -> PieceAccount | None:
        """Return the account of a piece, if that is finished and all of its files are there."""
        if (record := self._record(name)) is None:
            return None
        sizes = {found.key.removeprefix(record.prefix): found.size_bytes for found in self._store.list(record.prefix)}
        if sizes != record.account.files:
            return None
        self._known[name] = record
        return record.account

    def keep(self, name: str, account: PieceAccount, directory: Path) -> None:
        """Store a finished piece, and remove its files from the folder that they were made in."""
        record = _Record(prefix=f"{self._prefix}{name}/{secrets.token_hex(4)}/", account=account)
        for file in account.files:
            self._store.put_file(directory / file, record.prefix + file)
            (directory / file).unlink()
        self._store.put_bytes(record.model_dump_json().encode(), self._record_key(name))
        self._known[name] = record

    def bring(self, made: MadePiece, file: str, target: Path) -> Path:
        """Bring a file of a piece found or kept here to a path, and return that. It may be a link: never write to it.

        Raises:
            StoreUnavailableError: It is gone: another job has just finished the same package, as the next try finds.
        """
        try:
            return self._store.fetch(self._known[made.piece.name].prefix + file, target)
        except ObjectMissingError as error:
            raise StoreUnavailableError(f"A chunk that was there is gone: {error.message}", error.facts) from error

    def clear(self) -> None:
        """Delete all pieces: the package is whole."""
        self._store.delete_tree(self._prefix)

    def _record(self, name: str) -> _Record | None:
        try:
            return _Record.model_validate_json(self._store.get_bytes(self._record_key(name)))
        except (ObjectMissingError, ValidationError):  # none, or one of another version of ours
            return None

    def _record_key(self, name: str) -> str:
        return f"{self._prefix}{name}/record.json"
