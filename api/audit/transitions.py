"""Transitions of runs as entries of the audit."""

from collections.abc import Sequence
from datetime import datetime

from api.gateway.transitions import RunTransition
from data.auditing import AuditTrail
from data.database import Database
from data.domain.audit import AuditEntry, AuditKind
from data.repositories import AuditRepository


class AuditSink:
    """Puts what runs went through into the audit.

    Args:
        trail: The audit.
        database: Where it is.
    """

    def __init__(self, trail: AuditTrail, database: Database) -> None:
        self._trail = trail
        self._database = database

    def since(self) -> datetime | None:
        """Return the time of the latest transition that the audit has."""
        with self._database.session() as session:
            return AuditRepository(session).latest(AuditKind.TRANSITION)

    def take(self, transitions: Sequence[RunTransition]) -> None:
        """Append transitions; those that it has are passed over.

        Raises:
            CatalogueUnavailableError: The catalogue did not answer; none was written.
        """
        self._trail.append([entry_of(each) for each in transitions])


def entry_of(transition: RunTransition) -> AuditEntry:
    """Return a transition as an entry, known by Prefect's id of the state."""
    return AuditEntry(
        id=transition.state_id,
        kind=AuditKind.TRANSITION,
        at=transition.at,
        job=transition.run_id,
        from_state=transition.previous.value if transition.previous else None,
        to_state=transition.state.value,
        reason=transition.reason,
        trace_id=transition.trace_id,
    )
