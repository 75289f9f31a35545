"""Decisions about what is public that were begun: a process may die between telling the store and the catalogue."""

from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from data.tables import PendingDecisionRow, utc_now


class PendingDecisionRepository:
    """Begun decisions within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self, asset_id: str) -> str:
        """Note that the store is about to be told something about an asset; return what ends the note."""
        row = PendingDecisionRow(id=uuid4().hex, asset_id=asset_id, begun_at=utc_now())
        self._session.add(row)
        return row.id

    def end(self, *decisions: str) -> None:
        """Forget decisions that the catalogue knows, or that came to nothing."""
        self._session.execute(delete(PendingDecisionRow).where(PendingDecisionRow.id.in_(decisions)))

    def begun_before(self, moment: datetime, limit: int = 100) -> dict[str, str]:
        """Return the assets of decisions begun before a time that did not end, by decision, the oldest first."""
        query = select(PendingDecisionRow.id, PendingDecisionRow.asset_id).where(PendingDecisionRow.begun_at < moment)
        rows = self._session.execute(query.order_by(PendingDecisionRow.begun_at).limit(limit))
        return dict(rows.tuples().all())
