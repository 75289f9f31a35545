"""What the calls about webhooks do: who is told, with which secrets, and what became of it."""

import secrets
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fastapi.concurrency import run_in_threadpool
from pydantic import SecretStr

from api.cursors import CreatedPosition, decode_row, encode_row
from api.dependencies import Services
from api.schemas import Page
from api.webhook_schemas import (
    BatchWebhook,
    DeliveryAnswer,
    DeliveryDetail,
    EndpointAnswer,
    EndpointChange,
    EndpointCreated,
    EndpointRequest,
    JobWebhook,
    Replayed,
    RotateRequest,
    SecretAnswer,
)
from data.addresses import checked_address
from data.domain.errors import (
    AddressForbiddenError,
    IllegalMoveError,
    InvalidRequestError,
    NotFoundError,
    TooManyWebhooksError,
)
from data.domain.identity import Caller
from data.domain.webhooks import (
    MAX_ENDPOINTS_OF_AN_OWNER,
    Delivery,
    DisabledReason,
    Endpoint,
    Event,
    EventType,
    event_id,
    new_secret,
)
from data.repositories import DeliveryFilter, EndpointFilter, WebhookEndpointRepository, WebhookOutbox

_PREFIX = "whk_"
_OWN = uuid.UUID("3d0c1c6a-7c55-4a0e-8a52-6f5f0a1c9e27")
"""The name space of ids of endpoints whose call has an idempotency key."""
_OF_JOBS = uuid.UUID("b1a6d3f0-8f0a-4f43-9a53-1f7a2f0b6c55")
"""The name space of ids of endpoints that come with a job or batch whose call has an idempotency key."""


def create_endpoint(
    services: Services, caller: Caller, asked: EndpointRequest, key: str | None = None
) -> EndpointCreated:
    """Make an endpoint that is told of all that becomes of the caller's jobs and batches.

    Args:
        services: The doors.
        caller: Who asks for it.
        asked: What for.
        key: The same call again, after this process died in the middle of the first, makes the same endpoint.

    Raises:
        InvalidRequestError: Its address is not one that is delivered to.
        TooManyWebhooksError: The caller has as many as there may be.
    """
    now = datetime.now(UTC)
    endpoint = Endpoint(
        id=f"{_PREFIX}{(uuid.uuid5(_OWN, key) if key else uuid.uuid4()).hex}",
        owner=caller.id,
        url=_checked(asked.url, services),
        description=asked.description,
        events=asked.events,
        secret=asked.secret or SecretStr(new_secret()),
        created_at=now,
        listening_since=now,
    )
    with services.database.session() as session:
        endpoints = WebhookEndpointRepository(session)
        endpoints.add(endpoint)
        if endpoints.count_of(caller.id) > MAX_ENDPOINTS_OF_AN_OWNER:  # rolls back what was added
            raise TooManyWebhooksError(
                f"There may be {MAX_ENDPOINTS_OF_AN_OWNER} webhooks of a user: delete one that is not needed.",
                {"most": MAX_ENDPOINTS_OF_AN_OWNER},
            )
        endpoint = endpoints.get(endpoint.id)
    return EndpointCreated(**_shown(endpoint).model_dump(), secret=endpoint.secret.get_secret_value())


def endpoints_of_job(
    services: Services,
    caller: Caller,
    asked: Sequence[str | JobWebhook] | Sequence[str | BatchWebhook],
    key: str | None,
    kind: type[JobWebhook] | type[BatchWebhook] = JobWebhook,
) -> tuple[str, ...]:
    """Return the ids of who is told of a job or batch; addresses become endpoints, before anything names them.

    Args:
        services: The doors.
        caller: Who hands it in.
        asked: Ids of endpoints, addresses, or addresses with a secret.
        key: The idempotency key handed on to Prefect: the same call again makes the same endpoints.
        kind: What a bare address stands for.

    Raises:
        InvalidRequestError: An address is not one that is delivered to, or there is no such endpoint.
    """
    if not asked:
        return ()
    wanted = [_named(each, kind) for each in asked]
    made = [
        _of_job(each, number, services, caller, key) for number, each in enumerate(wanted) if not isinstance(each, str)
    ]
    ids = [each for each in wanted if isinstance(each, str)]
    with services.database.session() as session:
        endpoints = WebhookEndpointRepository(session)
        known = endpoints.of_ids(ids)
        for each in ids:
            if each not in known or not caller.owns(known[each].owner):
                raise InvalidRequestError(f"There is no webhook {each!r}.", {"field": "webhooks"})
        for endpoint in made:
            endpoints.add(endpoint)
    return tuple(dict.fromkeys([*ids, *(endpoint.id for endpoint in made)]))


async def tell_before_deletion(services: Services, job_id: str) -> None:
    """Record what became of a job that is about to be deleted, with the history that tells of it.

    Raises:
        NotFoundError: No such job.
    """
    from api.relay.collecting import told_of  # with Prefect's client, which is there by now

    story = await services.gateway.story(job_id)
    if story is not None:
        await run_in_threadpool(_record, services, told_of(story, services.settings.api.public_url))


def list_endpoints(
    services: Services, caller: Caller, after: str | None, limit: int, *, with_those_of_one_job: bool
) -> Page[EndpointAnswer]:
    """Return endpoints, the latest first.

    Raises:
        InvalidRequestError: ``after`` is no cursor.
    """
    before = CreatedPosition.decode(after).key if after else None
    chosen = EndpointFilter(None if caller.sees_all else caller.id, with_those_of_one_job)
    with services.database.session() as session:
        found = WebhookEndpointRepository(session).page(chosen, before=before, limit=limit + 1)
    page = found[:limit]
    last = CreatedPosition(page[-1].created_at, page[-1].id).encode() if len(found) > limit else None
    return Page[EndpointAnswer](items=tuple(map(_shown, page)), next=last)


def get_endpoint(services: Services, caller: Caller, endpoint_id: str) -> EndpointAnswer:
    """Return an endpoint.

    Raises:
        NotFoundError: The caller has none with that id.
    """
    with services.database.session() as session:
        return _shown(_own(WebhookEndpointRepository(session), caller, endpoint_id))


def get_secret(services: Services, caller: Caller, endpoint_id: str) -> SecretAnswer:
    """Return what signatures of an endpoint are verified with.

    Raises:
        NotFoundError: The caller has none with that id.
    """
    with services.database.session() as session:
        endpoint = _own(WebhookEndpointRepository(session), caller, endpoint_id)
    return SecretAnswer(secret=endpoint.secret.get_secret_value(), previous_secret_until=endpoint.previous_secret_until)


def change_endpoint(services: Services, caller: Caller, endpoint_id: str, asked: EndpointChange) -> EndpointAnswer:
    """Change an endpoint.

    Raises:
        NotFoundError: The caller has none with that id.
        InvalidRequestError: Its new address is not one that is delivered to.
    """
    values = {name: value for name, value in asked.model_dump(exclude_unset=True).items() if value is not None}
    if asked.url is not None:
        values["url"] = _checked(asked.url, services)
    with services.database.session() as session:
        endpoints = WebhookEndpointRepository(session)
        _own(endpoints, caller, endpoint_id)
        return _shown(endpoints.change(endpoint_id, **values))


def rotate_secret(services: Services, caller: Caller, endpoint_id: str, asked: RotateRequest) -> SecretAnswer:
    """Give an endpoint a new secret; for a while both sign.

    Raises:
        NotFoundError: The caller has none with that id.
    """
    secret = asked.secret.get_secret_value() if asked.secret else new_secret()
    with services.database.session() as session:
        endpoints = WebhookEndpointRepository(session)
        _own(endpoints, caller, endpoint_id)
        endpoint = endpoints.rotate(endpoint_id, secret, timedelta(seconds=asked.overlap_seconds))
    return SecretAnswer(secret=secret, previous_secret_until=endpoint.previous_secret_until)


def switch_endpoint(services: Services, caller: Caller, endpoint_id: str, *, is_on: bool) -> EndpointAnswer:
    """Switch an endpoint on, or off.

    Raises:
        NotFoundError: The caller has none with that id.
    """
    with services.database.session() as session:
        endpoints = WebhookEndpointRepository(session)
        _own(endpoints, caller, endpoint_id)
        if is_on:
            return _shown(endpoints.enable(endpoint_id))
        return _shown(endpoints.disable(endpoint_id, DisabledReason.REQUEST))


def delete_endpoint(services: Services, caller: Caller, endpoint_id: str) -> None:
    """Forget an endpoint with all its deliveries.

    Raises:
        NotFoundError: The caller has none with that id.
    """
    with services.database.session() as session:
        endpoints = WebhookEndpointRepository(session)
        _own(endpoints, caller, endpoint_id)
        endpoints.delete(endpoint_id)


def try_endpoint(services: Services, caller: Caller, endpoint_id: str) -> DeliveryAnswer:
    """Send an endpoint something to see whether it takes it.

    Raises:
        NotFoundError: The caller has none with that id.
        IllegalMoveError: It is switched off.
    """
    with services.database.session() as session:
        endpoint = _own(WebhookEndpointRepository(session), caller, endpoint_id)
        _refuse_if_off(endpoint)
        token = secrets.token_hex(8)
        event = Event(
            id=event_id("test", endpoint.id, token),
            type=EventType.WEBHOOK_TEST,
            subject=f"test:{token}",
            owner=endpoint.owner,
            occurred_at=datetime.now(UTC),
            data={"endpoint_id": endpoint.id, "message": "It works."},
        )
        return _delivery(WebhookOutbox(session).add(event, endpoint))


def list_deliveries(services: Services, chosen: DeliveryFilter, after: str | None, limit: int) -> Page[DeliveryAnswer]:
    """Return deliveries, the latest first.

    Raises:
        InvalidRequestError: ``after`` is no cursor.
    """
    before = decode_row(after) if after else None
    with services.database.session() as session:
        found = WebhookOutbox(session).page(chosen, before=before, limit=limit + 1)
    page = found[:limit]
    last = encode_row(page[-1][0]) if len(found) > limit else None
    return Page[DeliveryAnswer](items=tuple(_delivery(each) for _, each in page), next=last)


def get_delivery(services: Services, caller: Caller, delivery_id: str) -> DeliveryDetail:
    """Return a delivery with what is sent, and every try.

    Raises:
        NotFoundError: The caller has none with that id.
    """
    with services.database.session() as session:
        outbox = WebhookOutbox(session)
        delivery, _ = _own_delivery(outbox, WebhookEndpointRepository(session), caller, delivery_id)
        return DeliveryDetail(
            **delivery.model_dump(), body=outbox.body_of(delivery.event_id), tries=outbox.attempts(delivery_id)
        )


def replay_delivery(services: Services, caller: Caller, delivery_id: str) -> DeliveryAnswer:
    """Send a delivery again, under its old id.

    Raises:
        NotFoundError: The caller has none with that id.
        IllegalMoveError: Its endpoint is switched off.
    """
    with services.database.session() as session:
        outbox = WebhookOutbox(session)
        _, endpoint = _own_delivery(outbox, WebhookEndpointRepository(session), caller, delivery_id)
        _refuse_if_off(endpoint)
        return _delivery(outbox.replay(delivery_id))


def replay_lost(services: Services, caller: Caller, endpoint_id: str, since: datetime) -> Replayed:
    """Send again what an endpoint was to be told since a time and has not taken.

    Raises:
        NotFoundError: The caller has none with that id.
        IllegalMoveError: It is switched off.
    """
    with services.database.session() as session:
        _refuse_if_off(_own(WebhookEndpointRepository(session), caller, endpoint_id))
        return Replayed(count=WebhookOutbox(session).replay_lost(endpoint_id, since))


def _record(services: Services, events: Sequence[Event]) -> None:
    with services.database.session() as session:
        WebhookOutbox(session).record(events)


def _named(
    asked: str | JobWebhook | BatchWebhook, kind: type[JobWebhook] | type[BatchWebhook]
) -> str | JobWebhook | BatchWebhook:
    return kind(url=asked) if isinstance(asked, str) and not asked.startswith(_PREFIX) else asked


def _of_job(
    asked: JobWebhook | BatchWebhook, number: int, services: Services, caller: Caller, key: str | None
) -> Endpoint:
    now = datetime.now(UTC)
    identity = uuid.uuid5(_OF_JOBS, f"{key}/{number}") if key else uuid.uuid4()
    return Endpoint(
        id=f"{_PREFIX}{identity.hex}",
        owner=caller.id,
        url=_checked(asked.url, services),
        events=asked.events,
        secret=asked.secret or SecretStr(new_secret()),
        is_for_one_job=True,
        created_at=now,
        listening_since=now,
    )


def _checked(url: str, services: Services) -> str:
    try:
        checked_address(url, allow_private_hosts=services.settings.webhooks.allow_private_hosts)
    except AddressForbiddenError as error:
        raise InvalidRequestError(error.message, {**error.facts, "field": "url"}) from error
    return url


def _own(endpoints: WebhookEndpointRepository, caller: Caller, endpoint_id: str) -> Endpoint:
    endpoint = endpoints.get(endpoint_id)
    if not caller.owns(endpoint.owner):
        raise NotFoundError(f"There is no webhook {endpoint_id!r}.", {"endpoint_id": endpoint_id})
    return endpoint


def _own_delivery(
    outbox: WebhookOutbox, endpoints: WebhookEndpointRepository, caller: Caller, delivery_id: str
) -> tuple[Delivery, Endpoint]:
    delivery = outbox.get(delivery_id)
    endpoint = endpoints.get(delivery.endpoint_id)
    if not caller.owns(endpoint.owner):
        raise NotFoundError(f"There is no delivery {delivery_id!r}.", {"delivery_id": delivery_id})
    return delivery, endpoint


def _refuse_if_off(endpoint: Endpoint) -> None:
    if endpoint.disabled_at is not None:
        raise IllegalMoveError("The webhook is switched off: enable it first.", {"allowed": ["enable"]})


def _shown(endpoint: Endpoint) -> EndpointAnswer:
    return EndpointAnswer(**endpoint.model_dump(include=set(EndpointAnswer.model_fields)))


def _delivery(delivery: Delivery) -> DeliveryAnswer:
    return DeliveryAnswer(**delivery.model_dump())
