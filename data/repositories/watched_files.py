"""What was seen in watched folders within one unit of work."""

import hashlib
from collections.abc import Iterable, Mapping

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from data.domain.watching import FileLook, SeenFile
from data.repositories.statements import in_chunks
from data.tables import WatchedFileRow, utc_now


class WatchedFileRepository:
    """The files of one watched folder within one unit of work."""

    def __init__(self, session: Session, folder: str) -> None:
        self._session = session
        self._folder = folder

    def seen(self) -> dict[str, SeenFile]:
        """Return what is remembered, by path."""
        query = select(WatchedFileRow).where(WatchedFileRow.folder == self._folder)
        return {
            row.path: SeenFile(FileLook(row.size_bytes, row.modified_ns), row.steady_since, row.batch_id is not None)
            for row in self._session.scalars(query)
        }

    def note(self, looks: Mapping[str, FileLook]) -> None:
        """Remember files as they look now: new ones, and those that have changed."""
        now = utc_now()
        for path, look in looks.items():
            row = WatchedFileRow(
                path_sha256=_digest(path),
                path=path,
                folder=self._folder,
                size_bytes=look.size_bytes,
                modified_ns=look.modified_ns,
                steady_since=now,
                batch_id=None,
            )
            self._session.merge(row)

    def forget(self, paths: Iterable[str]) -> None:
        """Forget files that are not there any more."""
        for chunk in in_chunks(map(_digest, paths)):
            self._session.execute(delete(WatchedFileRow).where(WatchedFileRow.path_sha256.in_(chunk)))

    def take(self, paths: Iterable[str], batch_id: str) -> None:
        """Note which batch files have become part of."""
        for chunk in in_chunks(map(_digest, paths)):
            statement = update(WatchedFileRow).where(WatchedFileRow.path_sha256.in_(chunk))
            self._session.execute(statement.values(batch_id=batch_id))


def _digest(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()
