"""How providers are, within one unit of work: one record for all processes, the circuit breaker's state with it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_, select, update
from sqlalchemy.orm import Session

from data.domain.ledger import BreakerState, ProviderHealth
from data.repositories.statements import insert_once, storable
from data.tables import ProviderHealthRow, utc_now

_NEWEST = 0.2
"""Weight of the newest value in a moving average."""

_UNKNOWN: dict[str, Any] = {
    "breaker": BreakerState.CLOSED.value,
    "failures": 0,
    "calls": 0,
    "failed_calls": 0,
    "message": "",
    "test_message": "",
}


class ProviderHealthRepository:
    """Providers' health within one unit of work; a provider that nobody has called is healthy."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, provider: str) -> ProviderHealth:
        """Return how a provider is."""
        row = self._session.get(ProviderHealthRow, provider, populate_existing=True)
        return ProviderHealth(provider=provider) if row is None else _health(row)

    def all(self) -> dict[str, ProviderHealth]:
        """Return how the providers are that were called, by name."""
        return {row.provider: _health(row) for row in self._session.scalars(select(ProviderHealthRow))}

    def set_breaker(self, provider: str, state: BreakerState) -> None:
        """Bring the breaker into a state."""
        self._change(provider, breaker=state.value)

    def note_opening(self, provider: str, at: datetime) -> None:
        """Note when the breaker opened."""
        self._change(provider, opened_at=at)

    def claim_probe(self, provider: str, patience: timedelta) -> bool:
        """Ask to be the one who tries whether a provider is back; who was and never said so is forgotten in time."""
        row, now = ProviderHealthRow, utc_now()
        is_free = or_(row.probed_at.is_(None), row.probed_at < now - patience)
        statement = update(row).where(row.provider == provider, is_free).values(probed_at=now).returning(row.provider)
        return self._session.scalars(statement, execution_options={"synchronize_session": False}).first() is not None

    def count_failure(self, provider: str) -> None:
        """Count one more failure in a row."""
        self._change(provider, failures=ProviderHealthRow.failures + 1, probed_at=None)

    def forget_failures(self, provider: str) -> None:
        """Begin to count anew."""
        self._change(provider, failures=0, probed_at=None)

    def note_call(self, provider: str, seconds: float, failure: tuple[str, str] | None = None) -> None:
        """Note a call and how long its answer took; ``failure`` is code and message of one that failed."""
        row, now = ProviderHealthRow, utc_now()
        values: dict[str, Any] = {"calls": row.calls + 1, "checked_at": now}
        if failure is None:
            values["response_seconds"] = _moved(row.response_seconds, seconds)
        else:
            code, message = failure
            values |= {"failed_calls": row.failed_calls + 1, "code": code, "failed_at": now}
            values["message"] = storable(message)[:1000]
        self._change(provider, **values)

    def note_making(self, provider: str, seconds: float) -> None:
        """Note how long a generation took, from its request to its finished result."""
        self._change(provider, making_seconds=_moved(ProviderHealthRow.making_seconds, seconds))

    def note_test(self, provider: str, seconds: float, code: str | None, message: str) -> None:
        """Note what a test came to; no code means that the provider would take work."""
        values = {"tested_at": utc_now(), "test_seconds": seconds, "test_code": code}
        self._change(provider, **values, test_message=storable(message)[:1000])

    def reset(self, provider: str) -> None:
        """Forget the failures, and let requests through again."""
        self._change(provider, breaker=BreakerState.CLOSED.value, failures=0, opened_at=None, probed_at=None)

    def _change(self, provider: str, **values: Any) -> None:
        insert_once(self._session, ProviderHealthRow, {"provider": provider, **_UNKNOWN})
        statement = update(ProviderHealthRow).where(ProviderHealthRow.provider == provider).values(**values)
        self._session.execute(statement, execution_options={"synchronize_session": False})


def _moved(average: Any, value: float) -> ColumnElement[float]:
    return case((average.is_(None), value), else_=func.coalesce(average, 0.0) * (1 - _NEWEST) + value * _NEWEST)


def _health(row: ProviderHealthRow) -> ProviderHealth:
    return ProviderHealth.model_validate({name: getattr(row, name) for name in ProviderHealth.model_fields})
