"""Uploads: files that the API took and that wait for their job."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from data.domain.errors import NotFoundError
from data.domain.identity import LOCAL_USER
from data.repositories.statements import in_chunks, storable
from data.tables import UploadRow, utc_now


class UploadState(StrEnum):
    """How far an upload is."""

    RECEIVING = "receiving"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was handed to the API."""

    id: str
    key: str
    original_name: str
    content_type: str | None
    state: UploadState
    size_bytes: int | None
    """``None`` until complete; of one that comes in parts, what was said."""
    sha256: str | None
    """``None`` until complete, and of what came in parts until it is ingested."""
    parts_id: str | None
    """The store's own name of an upload in parts."""
    owner: str
    """Id of the user who handed it in; nobody else can use it."""
    created_at: datetime


class UploadRepository:
    """Uploads within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self,
        upload_id: str,
        *,
        key: str,
        original_name: str,
        content_type: str | None = None,
        owner: str = LOCAL_USER,
    ) -> Upload:
        """Record that an upload begins."""
        row = UploadRow(
            id=upload_id,
            key=key,
            original_name=storable(original_name),
            content_type=None if content_type is None else storable(content_type),
            state=UploadState.RECEIVING,
            owner=owner,
            created_at=utc_now(),
        )
        self._session.add(row)
        self._session.flush()
        return _upload(row)

    def expect(self, upload_id: str, *, parts_id: str, size_bytes: int) -> None:
        """Record that an upload comes in parts, and how large it will be."""
        row = self._row(upload_id)
        row.parts_id, row.size_bytes = parts_id, size_bytes
        self._session.flush()

    def complete(self, upload_id: str, *, size_bytes: int, sha256: str | None) -> Upload:
        """Record that an upload is in the object store whole; ``sha256`` where its bytes were seen.

        Raises:
            NotFoundError: There is none with that id.
        """
        row = self._row(upload_id)
        row.size_bytes, row.sha256, row.state = size_bytes, sha256, UploadState.COMPLETE
        self._session.flush()
        return _upload(row)

    def get(self, upload_id: str, owner: str | None = None) -> Upload:
        """Return an upload.

        Args:
            upload_id: Its id.
            owner: Whose it must be; ``None`` takes anybody's.

        Raises:
            NotFoundError: There is none with that id, or it is another's.
        """
        return _upload(self._row(upload_id, owner))

    def older_than(self, age: timedelta, limit: int, after: Upload | None = None) -> tuple[Upload, ...]:
        """Return the oldest uploads of at least that age, complete or not; of those that come after one."""
        query = select(UploadRow).where(UploadRow.created_at < utc_now() - age)
        if after is not None:
            query = query.where(tuple_(UploadRow.created_at, UploadRow.id) > (after.created_at, after.id))
        rows = self._session.scalars(query.order_by(UploadRow.created_at, UploadRow.id).limit(limit))
        return tuple(map(_upload, rows))

    def forget(self, upload_id: str) -> None:
        """Remove the record of an upload whose file is gone."""
        self._session.execute(delete(UploadRow).where(UploadRow.id == storable(upload_id)))

    def contents(self, upload_ids: Iterable[str], owner: str | None = None) -> dict[str, str]:
        """Return the sha256 of those uploads that are complete, and an owner's where one is given, by id."""
        found: dict[str, str] = {}
        own = [] if owner is None else [UploadRow.owner == owner]
        for chunk in in_chunks({storable(each) for each in upload_ids}):
            query = select(UploadRow.id, UploadRow.sha256).where(
                UploadRow.id.in_(chunk), UploadRow.state == UploadState.COMPLETE.value, *own
            )
            found |= {upload: sha256 for upload, sha256 in self._session.execute(query) if sha256 is not None}
        return found

    def _row(self, upload_id: str, owner: str | None = None) -> UploadRow:
        row = self._session.get(UploadRow, storable(upload_id))
        if row is None or owner not in (None, row.owner):
            raise NotFoundError(f"There is no upload {upload_id}.", {"upload_id": upload_id})
        return row


def _upload(row: UploadRow) -> Upload:
    return Upload(
        id=row.id,
        key=row.key,
        original_name=row.original_name,
        content_type=row.content_type,
        state=UploadState(row.state),
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        parts_id=row.parts_id,
        owner=row.owner,
        created_at=row.created_at,
    )
