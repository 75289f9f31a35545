"""Transitions of runs as entries of the audit."""

from collections.abc import Sequence
from datetime import datetime

from api.gateway.transitions import RunTransition
from api.metrics.counters import TRANSITIONS
from data.auditing import AuditTrail
from data.database import Database
from data.domain.audit import AuditEntry, AuditKind
from data.domain.errors import FailureClass
from data.domain.jobs import BATCH_TAG, ITEM_TAG, JOB_TAG, REVIEW_REASON
from data.repositories import AuditRepository

_KINDS = {JOB_TAG: "job", ITEM_TAG: "item", BATCH_TAG: "batch"}
_REASONS = {
    *(each.value for each in FailureClass),
    *("late", "waiting_for_slot", "retry_wait", "time_limit", "infrastructure", REVIEW_REASON),
}


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
        kinds = {each.state_id: kind_of(each) for each in transitions}
        for new in self._trail.append([entry_of(each) for each in transitions]):
            TRANSITIONS.labels(kinds[new.entry.id], new.entry.to_state or "", short(new.entry.reason)).inc()


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


def kind_of(transition: RunTransition) -> str:
    """Return what a run is for: ``job``, ``item`` or ``batch``."""
    return next((kind for tag, kind in _KINDS.items() if tag in transition.tags), "other")


def short(reason: str | None) -> str:
    """Return a reason as one of few: that of a failure by its class."""
    first = (reason or "").partition(".")[0]
    return first if first in _REASONS else "other" if first else ""
