"""What was answered to calls with an ``Idempotency-Key``, so that a repeated call starts nothing twice."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from data.domain.errors import IdempotencyInFlightError, IdempotencyMismatchError
from data.repositories.statements import insert_once
from data.tables import IdempotencyRow, utc_now

TAKE_OVER_AFTER = timedelta(minutes=5)
"""A call that has not ended by then died with its process; the next one may carry it out."""


class _State(StrEnum):
    IN_FLIGHT = "in_flight"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer of the first call, to be given again."""

    status_code: int
    response: Any
    """Plain JSON values."""
    location: str | None


class IdempotencyRepository:
    """Idempotency keys within one unit of work. ``begin`` and ``finish`` belong in units of their own."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(
        self, scope: str, key: str, fingerprint: str, take_over_after: timedelta = TAKE_OVER_AFTER
    ) -> StoredAnswer | None:
        """Claim a key. Of several calls at once exactly one gets ``None`` and is to be carried out.

        Args:
            scope: Who calls what: keys of different callers do not meet.
            key: The caller's key.
            fingerprint: A hash of the call's body.
            take_over_after: From this age on, an unfinished claim counts as abandoned.

        Returns:
            The answer of the first call, or ``None`` when this is the first.

        Raises:
            IdempotencyMismatchError: The key was used with another body.
            IdempotencyInFlightError: The first call is still being carried out.
        """
        values = {"scope": scope, "key": key, "fingerprint": fingerprint, "state": _State.IN_FLIGHT}
        if insert_once(self._session, IdempotencyRow, {**values, "created_at": utc_now()}):
            return None
        query = select(IdempotencyRow).where(IdempotencyRow.scope == scope, IdempotencyRow.key == key)
        row = self._session.scalar(query.with_for_update())
        if row is None:  # abandoned at this very moment
            raise IdempotencyInFlightError("The first call with this Idempotency-Key has just ended; try again.")
        if row.fingerprint != fingerprint:
            raise IdempotencyMismatchError("This Idempotency-Key was used before with another body.")
        if row.state == _State.DONE:
            return StoredAnswer(row.status_code or 200, row.response, row.location)
        if row.created_at > utc_now() - take_over_after:
            raise IdempotencyInFlightError("The first call with this Idempotency-Key is still being carried out.")
        row.created_at = utc_now()
        self._session.flush()
        return None

    def finish(self, scope: str, key: str, *, status_code: int, response: Any, location: str | None = None) -> None:
        """Keep the answer of a call that ended, so that it can be given again; the first one kept stays."""
        values = {"status_code": status_code, "response": response, "location": location, "state": _State.DONE}
        self._session.execute(
            update(IdempotencyRow).where(*_in_flight(scope, key)).values(**values),
            execution_options={"synchronize_session": False},
        )

    def abandon(self, scope: str, key: str) -> None:
        """Give a claim back after a failure that the caller may try again."""
        self._session.execute(
            delete(IdempotencyRow).where(*_in_flight(scope, key)), execution_options={"synchronize_session": False}
        )

    def forget(self, older_than: timedelta) -> int:
        """Remove keys that nobody will repeat any more and return how many."""
        query = delete(IdempotencyRow).where(IdempotencyRow.created_at < utc_now() - older_than)
        return len(self._session.scalars(query.returning(IdempotencyRow.key)).all())


def _in_flight(scope: str, key: str) -> tuple[Any, ...]:
    return IdempotencyRow.scope == scope, IdempotencyRow.key == key, IdempotencyRow.state == _State.IN_FLIGHT
