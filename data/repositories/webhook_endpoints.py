"""Webhook endpoints within one unit of work: who is told, with which secrets, and how each has been answering."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.orm import Session

from data.domain.errors import NotFoundError
from data.domain.webhooks import DeliveryState, DisabledReason, Endpoint
from data.repositories.statements import in_chunks, insert_once, storable
from data.tables import WebhookDeliveryRow, WebhookEndpointRow, utc_now

_NEVER_ON_ITS_OWN = {"synchronize_session": False}


@dataclass(frozen=True)
class EndpointFilter:
    """Which endpoints to list; ``None`` asks for nothing."""

    owner: str | None = None
    with_those_of_one_job: bool = False


class WebhookEndpointRepository:
    """Endpoints within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, endpoint: Endpoint) -> None:
        """Record an endpoint, unless one with its id is there: the call that made it was repeated."""
        values = endpoint.model_dump(exclude={"secret", "previous_secret", "events", "description"})
        values |= {
            "secret": endpoint.secret.get_secret_value(),
            "description": storable(endpoint.description),
            "events": list(endpoint.events),
        }
        insert_once(self._session, WebhookEndpointRow, values)

    def get(self, endpoint_id: str) -> Endpoint:
        """Return an endpoint.

        Raises:
            NotFoundError: There is none with that id.
        """
        return _endpoint(self._row(endpoint_id))

    def of_ids(self, endpoint_ids: Collection[str]) -> dict[str, Endpoint]:
        """Return the endpoints of the given ids, by id; without those that there are not."""
        found: dict[str, Endpoint] = {}
        for chunk in in_chunks({storable(each) for each in endpoint_ids}):
            rows = self._session.scalars(select(WebhookEndpointRow).where(WebhookEndpointRow.id.in_(chunk)))
            found |= {row.id: _endpoint(row) for row in rows}
        return found

    def page(
        self, chosen: EndpointFilter, *, before: tuple[datetime, str] | None = None, limit: int = 50
    ) -> tuple[Endpoint, ...]:
        """Return endpoints, the latest first; ``before`` is (created_at, id) of the last one of the page before."""
        row = WebhookEndpointRow
        query = select(row).order_by(row.created_at.desc(), row.id.desc()).limit(limit)
        if chosen.owner is not None:
            query = query.where(row.owner == chosen.owner)
        if not chosen.with_those_of_one_job:
            query = query.where(row.is_for_one_job.is_(False))
        if before is not None:
            query = query.where(tuple_(row.created_at, row.id) < before)
        return tuple(map(_endpoint, self._session.scalars(query)))

    def listening(self, owners: Collection[str]) -> tuple[Endpoint, ...]:
        """Return the endpoints that are told of all that becomes of what these own."""
        row = WebhookEndpointRow
        found: list[Endpoint] = []
        for chunk in in_chunks(set(owners)):
            is_on = (row.disabled_at.is_(None), row.is_for_one_job.is_(False), row.owner.in_(chunk))
            found += map(_endpoint, self._session.scalars(select(row).where(*is_on).order_by(row.created_at, row.id)))
        return tuple(found)

    def count_of(self, owner: str) -> int:
        """Return how many endpoints somebody has that are told of everything, switched on or off."""
        row = WebhookEndpointRow
        counted = select(func.count()).select_from(row).where(row.owner == owner, row.is_for_one_job.is_(False))
        return self._session.scalar(counted) or 0

    def listening_since(self) -> datetime | None:
        """Return since when anybody wants to be told of anything; ``None`` when nobody does."""
        row = WebhookEndpointRow
        return self._session.scalar(select(func.min(row.listening_since)).where(row.disabled_at.is_(None)))

    def wants_items(self) -> bool:
        """Say whether anybody is told of single rows of batches."""
        row = WebhookEndpointRow
        chosen = self._session.scalars(select(row.events).where(row.disabled_at.is_(None)).distinct())
        return any(each.startswith("item.") for events in chosen for each in events)

    def change(self, endpoint_id: str, **values: Any) -> Endpoint:
        """Set plain columns: ``url``, ``description``, ``events``.

        Raises:
            NotFoundError: There is none with that id.
        """
        row = self._row(endpoint_id)
        for name, value in values.items():
            setattr(row, name, list(value) if isinstance(value, tuple) else value)
        self._session.flush()
        return _endpoint(row)

    def rotate(self, endpoint_id: str, secret: str, overlap: timedelta) -> Endpoint:
        """Give it a new secret; the old one signs beside it for a while.

        Raises:
            NotFoundError: There is none with that id.
        """
        row = self._row(endpoint_id)
        row.previous_secret, row.previous_secret_until = row.secret, utc_now() + overlap
        row.secret = secret
        self._session.flush()
        return _endpoint(row)

    def enable(self, endpoint_id: str) -> Endpoint:
        """Tell it again of what happens from now on.

        Raises:
            NotFoundError: There is none with that id.
        """
        row = self._row(endpoint_id)
        if row.disabled_at is not None:
            row.listening_since = utc_now()
        row.disabled_at = row.disabled_reason = row.failing_since = row.resting_until = None
        row.failures = 0
        self._session.flush()
        return _endpoint(row)

    def disable(self, endpoint_id: str, reason: DisabledReason) -> Endpoint:
        """Tell it nothing any more; what was on its way is abandoned, and can be replayed.

        Raises:
            NotFoundError: There is none with that id.
        """
        row = self._row(endpoint_id)
        if row.disabled_at is None:
            row.disabled_at, row.disabled_reason = utc_now(), reason.value
        delivery = WebhookDeliveryRow
        waiting = (delivery.endpoint_id == endpoint_id, delivery.state == DeliveryState.PENDING.value)
        self._session.execute(
            update(delivery).where(*waiting).values(state=DeliveryState.ABANDONED.value, next_at=None),
            execution_options=_NEVER_ON_ITS_OWN,
        )
        self._session.flush()
        return _endpoint(row)

    def delete(self, endpoint_id: str) -> None:
        """Forget an endpoint, with all its deliveries."""
        self._session.execute(
            delete(WebhookEndpointRow).where(WebhookEndpointRow.id == storable(endpoint_id)),
            execution_options=_NEVER_ON_ITS_OWN,
        )

    def note_success(self, endpoint_ids: Collection[str]) -> None:
        """Note that they have taken something."""
        row = WebhookEndpointRow
        self._session.execute(
            update(row)
            .where(row.id.in_(list(endpoint_ids)), (row.failures > 0) | row.resting_until.is_not(None))
            .values(failures=0, failing_since=None, resting_until=None),
            execution_options=_NEVER_ON_ITS_OWN,
        )

    def note_failures(self, endpoint_id: str, count: int, resting_until: datetime | None) -> Endpoint:
        """Note that it has not taken what it was sent.

        Args:
            endpoint_id: Whose.
            count: How many tries came to nothing.
            resting_until: When to come back, where it said so.

        Raises:
            NotFoundError: It was deleted meanwhile.
        """
        row = WebhookEndpointRow
        values: dict[str, Any] = {
            "failures": row.failures + count,
            "failing_since": func.coalesce(row.failing_since, utc_now()),
        }
        if resting_until is not None:
            values["resting_until"] = resting_until
        self._session.execute(
            update(row).where(row.id == endpoint_id).values(**values), execution_options=_NEVER_ON_ITS_OWN
        )
        return self.get(endpoint_id)

    def forget_those_of_one_job(self, age: timedelta) -> int:
        """Delete endpoints of single jobs of at least that age that have no delivery any more; return how many."""
        row, delivery = WebhookEndpointRow, WebhookDeliveryRow
        is_used = select(delivery.position).where(delivery.endpoint_id == row.id).exists()
        statement = delete(row).where(row.is_for_one_job.is_(True), row.created_at < utc_now() - age, ~is_used)
        found: Sequence[str] = self._session.scalars(
            statement.returning(row.id), execution_options=_NEVER_ON_ITS_OWN
        ).all()
        return len(found)

    def _row(self, endpoint_id: str) -> WebhookEndpointRow:
        row = self._session.get(WebhookEndpointRow, storable(endpoint_id), populate_existing=True)
        if row is None:
            raise NotFoundError(f"There is no webhook {endpoint_id!r}.", {"endpoint_id": endpoint_id})
        return row


def _endpoint(row: WebhookEndpointRow) -> Endpoint:
    names = Endpoint.model_fields.keys()
    return Endpoint.model_validate({name: getattr(row, name) for name in names})
