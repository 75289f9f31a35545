"""The outbox within one unit of work: events, and their deliveries in order."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from data.domain.errors import NotFoundError
from data.domain.webhooks import Delivery, DeliveryAttempt, DeliveryState, DueDelivery, Endpoint, Event, EventType
from data.repositories.statements import in_chunks, storable, upsert
from data.repositories.webhook_endpoints import WebhookEndpointRepository
from data.tables import (
    WebhookAttemptRow,
    WebhookCursorRow,
    WebhookDeliveryRow,
    WebhookEndpointRow,
    WebhookEventRow,
    utc_now,
)

_NEVER_ON_ITS_OWN = {"synchronize_session": False}
_PENDING = DeliveryState.PENDING.value
_REPLAYABLE = (DeliveryState.FAILED.value, DeliveryState.ABANDONED.value)


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries to list; ``None`` asks for nothing."""

    states: Collection[DeliveryState] = ()
    endpoint_id: str | None = None
    subject: str | None = None
    owner: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return it as conditions on deliveries and their endpoints."""
        row = WebhookDeliveryRow
        wanted: list[ColumnElement[bool]] = []
        if self.states:
            wanted.append(row.state.in_([each.value for each in self.states]))
        if self.endpoint_id is not None:
            wanted.append(row.endpoint_id == storable(self.endpoint_id))
        if self.subject is not None:
            wanted.append(row.subject == storable(self.subject))
        if self.owner is not None:
            wanted.append(WebhookEndpointRow.owner == self.owner)
        return wanted


@dataclass(frozen=True)
class Settlement:
    """What a try came to."""

    position: int
    attempt: DeliveryAttempt
    state: DeliveryState
    next_at: datetime | None = None
    """When to try again, if it is still pending."""


@dataclass(frozen=True)
class Backlog:
    """Deliveries whose time has come."""

    count: int
    oldest_seconds: float
    """For how long the one that should have been sent first has waited."""


class WebhookOutbox:
    """Events and deliveries within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, events: Sequence[Event]) -> int:
        """Record events for the endpoints that are told of them; those that are recorded already change nothing.

        Args:
            events: Of one subject: oldest first.

        Returns:
            How many deliveries are new.
        """
        recipients = self._recipients(events)
        told = [event for event in events if recipients.get(event.id)]
        self._add_events(told)
        return self._add_deliveries([(event, endpoint) for event in told for endpoint in recipients[event.id]])

    def add(self, event: Event, endpoint: Endpoint) -> Delivery:
        """Record an event for one endpoint, whatever it wants to be told of."""
        self._add_events([event])
        self._add_deliveries([(event, endpoint.id)])
        row = WebhookDeliveryRow
        found = self._session.execute(_shown().where(row.event_id == event.id, row.endpoint_id == endpoint.id)).one()
        return _delivery(*found)

    def due(
        self,
        now: datetime,
        *,
        limit: int,
        per_endpoint: int,
        besides: Collection[int] = (),
        besides_endpoints: Collection[str] = (),
    ) -> tuple[DueDelivery, ...]:
        """Return deliveries whose time has come: of each subject, at each endpoint, the first that is pending.

        Args:
            now: The time.
            limit: Most of them.
            per_endpoint: Most of one endpoint, so that none keeps others waiting.
            besides: Positions of those that are under way.
            besides_endpoints: Ids of endpoints that there is enough for already.
        """
        row, earlier, endpoint = WebhookDeliveryRow, aliased(WebhookDeliveryRow), WebhookEndpointRow
        is_held_back = (
            select(earlier.position)
            .where(
                earlier.endpoint_id == row.endpoint_id,
                earlier.subject == row.subject,
                earlier.state == _PENDING,
                earlier.position < row.position,
            )
            .exists()
        )
        rank = func.row_number().over(partition_by=row.endpoint_id, order_by=(row.next_at, row.position))
        candidates = (
            select(row.position, rank.label("rank"))
            .join(endpoint, endpoint.id == row.endpoint_id)
            .where(row.state == _PENDING, row.next_at <= now, ~is_held_back, endpoint.disabled_at.is_(None))
            .where(or_(endpoint.resting_until.is_(None), endpoint.resting_until <= now))
        )
        if besides:
            candidates = candidates.where(row.position.not_in(list(besides)))
        if besides_endpoints:
            candidates = candidates.where(row.endpoint_id.not_in(list(besides_endpoints)))
        ranked = candidates.subquery()
        query = (
            select(row, WebhookEventRow)
            .join(ranked, ranked.c.position == row.position)
            .join(WebhookEventRow, WebhookEventRow.id == row.event_id)
            .where(ranked.c.rank <= per_endpoint)
            .order_by(row.next_at, row.position)
            .limit(limit)
        )
        found = self._session.execute(query).tuples().all()
        endpoints = WebhookEndpointRepository(self._session).of_ids({delivery.endpoint_id for delivery, _ in found})
        return tuple(
            DueDelivery(
                position=delivery.position,
                attempts=delivery.round_attempts,
                subject=delivery.subject,
                event_id=event.id,
                body=_event(event).body,
                traceparent=event.traceparent,
                endpoint=endpoints[delivery.endpoint_id],
            )
            for delivery, event in found
        )

    def backlog(self, now: datetime) -> Backlog:
        """Return what should have been sent by now; nothing is due to endpoints that are off, or rest."""
        row, endpoint = WebhookDeliveryRow, WebhookEndpointRow
        query = (
            select(func.count(), func.min(row.next_at))
            .join(endpoint, endpoint.id == row.endpoint_id)
            .where(row.state == _PENDING, row.next_at <= now, endpoint.disabled_at.is_(None))
            .where(or_(endpoint.resting_until.is_(None), endpoint.resting_until <= now))
        )
        count, oldest = self._session.execute(query).one()
        return Backlog(count=count, oldest_seconds=(now - oldest).total_seconds() if oldest else 0.0)

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Note what tries came to. What was taken counts as taken, even if its endpoint was switched off meanwhile."""
        row = WebhookDeliveryRow
        there = self._known(row.position, [each.position for each in settlements])  # not deleted with their endpoint
        tries = [
            {"delivery": each.position, **each.attempt.model_dump()} for each in settlements if each.position in there
        ]
        if tries:
            self._session.execute(insert(WebhookAttemptRow), tries)
        for each in settlements:
            is_taken = each.state is DeliveryState.DELIVERED
            change = update(row).where(row.position == each.position)
            values: dict[str, Any] = {
                "attempts": row.attempts + 1,
                "round_attempts": row.round_attempts + 1,
                "last_status": each.attempt.status,
                "last_error": each.attempt.error,
                "response_seconds": each.attempt.response_seconds,
                "state": each.state.value,
                "next_at": each.next_at,
            }
            if is_taken:
                values["delivered_at"] = each.attempt.at
            else:
                change = change.where(row.state == _PENDING)
            self._session.execute(change.values(**values), execution_options=_NEVER_ON_ITS_OWN)
            if each.next_at is not None:
                self._hold_back(each)

    def get(self, delivery_id: str) -> Delivery:
        """Return a delivery.

        Raises:
            NotFoundError: There is none with that id.
        """
        found = self._session.execute(_shown().where(WebhookDeliveryRow.id == storable(delivery_id))).first()
        if found is None:
            raise NotFoundError(f"There is no delivery {delivery_id!r}.", {"delivery_id": delivery_id})
        return _delivery(*found)

    def body_of(self, event_id: str) -> dict[str, Any]:
        """Return what is sent of an event."""
        return _event(self._session.get_one(WebhookEventRow, event_id)).body

    def attempts(self, delivery_id: str) -> tuple[DeliveryAttempt, ...]:
        """Return the tries of a delivery, oldest first."""
        row = WebhookAttemptRow
        query = (
            select(row)
            .join(WebhookDeliveryRow, WebhookDeliveryRow.position == row.delivery)
            .where(WebhookDeliveryRow.id == storable(delivery_id))
            .order_by(row.id)
        )
        names = DeliveryAttempt.model_fields.keys()
        return tuple(
            DeliveryAttempt.model_validate({name: getattr(found, name) for name in names})
            for found in self._session.scalars(query)
        )

    def page(
        self, chosen: DeliveryFilter, *, before: int | None = None, limit: int = 50
    ) -> tuple[tuple[int, Delivery], ...]:
        """Return deliveries with their positions, the latest first; ``before`` is the last one of the page before."""
        row = WebhookDeliveryRow
        query = _shown().where(*chosen.conditions()).order_by(row.position.desc()).limit(limit)
        if before is not None:
            query = query.where(row.position < before)
        return tuple((found[0].position, _delivery(*found)) for found in self._session.execute(query))

    def replay(self, delivery_id: str) -> Delivery:
        """Send a delivery again, under its old id, from the first try on.

        Raises:
            NotFoundError: There is none with that id.
        """
        row = WebhookDeliveryRow
        self._restart((row.id == storable(delivery_id),))
        return self.get(delivery_id)

    def replay_lost(self, endpoint_id: str, since: datetime) -> int:
        """Send again what an endpoint was to be told since a time and has not taken; return how many."""
        row = WebhookDeliveryRow
        lost = (row.endpoint_id == endpoint_id, row.state.in_(_REPLAYABLE), row.created_at >= since)
        return self._restart(lost)

    def cursor(self, name: str) -> str | None:
        """Return how far something has been read."""
        return self._session.scalar(select(WebhookCursorRow.value).where(WebhookCursorRow.name == name))

    def move_cursor(self, name: str, value: str) -> None:
        """Note how far something has been read; in the unit of work that records what was read."""
        upsert(self._session, WebhookCursorRow, {"name": name}, {"value": value})

    def forget(self, age: timedelta, most: int) -> int:
        """Delete events of at least that age of which nobody is still to be told; return how many."""
        event, delivery = WebhookEventRow, WebhookDeliveryRow
        is_awaited = select(delivery.position).where(delivery.event_id == event.id, delivery.state == _PENDING).exists()
        old = select(event.id).where(event.recorded_at < utc_now() - age, ~is_awaited).limit(most)
        found = list(self._session.scalars(old))
        for chunk in in_chunks(found):
            self._session.execute(delete(event).where(event.id.in_(chunk)), execution_options=_NEVER_ON_ITS_OWN)
        return len(found)

    def _recipients(self, events: Sequence[Event]) -> dict[str, list[str]]:
        endpoints = WebhookEndpointRepository(self._session)
        listening = endpoints.listening({event.owner for event in events})
        named = endpoints.of_ids({each for event in events for each in event.endpoints})
        known = {each.id: each for each in (*listening, *named.values())}
        return {event.id: [each.id for each in known.values() if each.hears(event)] for event in events}

    def _add_events(self, events: Sequence[Event]) -> None:
        known = self._known(WebhookEventRow.id, [event.id for event in events])
        rows = [
            {
                "id": event.id,
                "type": event.type.value,
                "subject": event.subject,
                "owner": event.owner,
                "occurred_at": event.occurred_at,
                "data": event.data,
                "traceparent": event.traceparent,
                "recorded_at": utc_now(),
            }
            for event in events
            if event.id not in known
        ]
        if rows:
            self._session.execute(insert(WebhookEventRow), rows)

    def _add_deliveries(self, wanted: Sequence[tuple[Event, str]]) -> int:
        row = WebhookDeliveryRow
        known: set[tuple[str, str]] = set()
        for chunk in in_chunks({event.id for event, _ in wanted}):
            pairs = self._session.execute(select(row.event_id, row.endpoint_id).where(row.event_id.in_(chunk)))
            known |= {(event, endpoint) for event, endpoint in pairs}
        new = [(event, endpoint) for event, endpoint in wanted if (event.id, endpoint) not in known]
        held = self._held_until({(endpoint, event.subject) for event, endpoint in new})
        now = utc_now()
        rows = [
            {
                "id": f"dlv_{uuid.uuid4().hex}",
                "event_id": event.id,
                "endpoint_id": endpoint,
                "subject": event.subject,
                "state": _PENDING,
                "attempts": 0,
                "round_attempts": 0,
                "created_at": now,
                "next_at": held.get((endpoint, event.subject), now),
                "last_error": "",
            }
            for event, endpoint in new
        ]
        for each in rows:  # one by one: the position is the order, which a bulk insert need not keep
            self._session.execute(insert(row).values(**each))
        return len(rows)

    def _known(self, column: Any, values: Iterable[Any]) -> set[Any]:
        found: set[Any] = set()
        for chunk in in_chunks(set(values)):
            found |= set(self._session.scalars(select(column).where(column.in_(chunk))))
        return found

    def _held_until(self, chains: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], datetime]:
        """When the last of each chain may be sent: what comes after it need not be looked at before."""
        row = WebhookDeliveryRow
        held: dict[tuple[str, str], datetime] = {}
        for chunk in in_chunks({subject for _, subject in chains}):
            query = (
                select(row.endpoint_id, row.subject, func.max(row.next_at))
                .where(row.subject.in_(chunk), row.state == _PENDING)
                .group_by(row.endpoint_id, row.subject)
            )
            held |= {(endpoint, subject): at for endpoint, subject, at in self._session.execute(query) if at}
        return held

    def _hold_back(self, settlement: Settlement) -> None:
        """Let those behind a delivery that failed wait as long: they cannot come before it."""
        row = WebhookDeliveryRow
        chain = select(row.endpoint_id, row.subject).where(row.position == settlement.position).cte("chain")
        behind = (
            row.state == _PENDING,
            row.position > settlement.position,
            row.next_at < settlement.next_at,
            row.endpoint_id == select(chain.c.endpoint_id).scalar_subquery(),
            row.subject == select(chain.c.subject).scalar_subquery(),
        )
        self._session.execute(
            update(row).where(*behind).values(next_at=settlement.next_at), execution_options=_NEVER_ON_ITS_OWN
        )

    def _restart(self, conditions: Sequence[ColumnElement[bool]]) -> int:
        row = WebhookDeliveryRow
        statement = (
            update(row)
            .where(*conditions)
            .values(state=_PENDING, round_attempts=0, next_at=utc_now(), delivered_at=None)
            .returning(row.position)
        )
        return len(self._session.scalars(statement, execution_options=_NEVER_ON_ITS_OWN).all())


def _shown() -> Select[tuple[WebhookDeliveryRow, str, str]]:
    row = WebhookDeliveryRow
    return (
        select(row, WebhookEventRow.type, WebhookEndpointRow.url)
        .join(WebhookEventRow, WebhookEventRow.id == row.event_id)
        .join(WebhookEndpointRow, WebhookEndpointRow.id == row.endpoint_id)
    )


def _delivery(row: WebhookDeliveryRow, kind: str, url: str) -> Delivery:
    names = Delivery.model_fields.keys() - {"type", "url"}
    return Delivery.model_validate({**{name: getattr(row, name) for name in names}, "type": kind, "url": url})


def _event(row: WebhookEventRow) -> Event:
    return Event(
        id=row.id,
        type=EventType(row.type),
        subject=row.subject,
        owner=row.owner,
        occurred_at=row.occurred_at,
        data=row.data,
        traceparent=row.traceparent,
    )
