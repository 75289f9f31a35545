"""Webhooks: have somebody told what becomes of jobs and batches, by [Standard Webhooks](https://standardwebhooks.com).

Secrets are shown when they are made, and to those who may write by a call of its own; never in lists.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api import webhooks
from api.access import CallerDependency, allow
from api.dependencies import ServicesDependency
from api.idempotency import Answered, KeyHeader, once
from api.links import webhook_url
from api.schemas import Page, Problem
from api.webhook_schemas import (
    DeliveryAnswer,
    DeliveryDetail,
    EndpointAnswer,
    EndpointChange,
    EndpointCreated,
    EndpointRequest,
    Replayed,
    ReplayRequest,
    RotateRequest,
    SecretAnswer,
)
from data.domain.identity import Scope
from data.domain.webhooks import DeliveryState
from data.repositories import DeliveryFilter

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

Responses = dict[int | str, dict[str, Any]]
Limit = Annotated[int, Query(ge=1, le=200, description="Most items of one page.")]
After = Annotated[str | None, Query(max_length=1000, description="The `next` of the page before.")]
Name = Annotated[str | None, Query(max_length=200)]
NOT_FOUND: Responses = {404: {"model": Problem}}
IS_OFF: Responses = {**NOT_FOUND, 409: {"model": Problem, "description": "The webhook is switched off."}}


@router.post(
    "",
    dependencies=[allow(Scope.WRITE)],
    status_code=201,
    response_model=EndpointCreated,
    responses={422: {"model": Problem}, 409: {"model": Problem, "description": "You have as many as there may be."}},
)
async def create_webhook(
    body: EndpointRequest,
    request: Request,
    services: ServicesDependency,
    caller: CallerDependency,
    idempotency_key: KeyHeader = None,
) -> Response:
    """Have an address told what becomes of all your jobs and batches. The answer holds the secret to verify with.

    There is no event for `pausing` and `cancelling`: `job.paused` and `job.cancelled` come once that is so. A job's
    `/stream` tells of what is on the way, and of steps that are tried again.

    With an `Idempotency-Key` the same call can be sent again safely: it gets the first call's answer.
    """
    secret = {"secret": body.secret.get_secret_value()} if body.secret else {}

    async def create(key: str | None) -> Answered:
        created = await run_in_threadpool(webhooks.create_endpoint, services, caller, body, key)
        return Answered(201, created.model_dump(mode="json"), webhook_url(created.id))

    return await once(services, request, idempotency_key, {**body.model_dump(mode="json"), **secret}, create)


@router.get("", dependencies=[allow(Scope.READ)])
async def list_webhooks(
    services: ServicesDependency,
    caller: CallerDependency,
    with_those_of_one_job: Annotated[bool, Query(description="Those, too, that came with a job.")] = False,
    after: After = None,
    limit: Limit = 50,
) -> Page[EndpointAnswer]:
    """List who is told, the latest first."""
    return await run_in_threadpool(
        webhooks.list_endpoints, services, caller, after, limit, with_those_of_one_job=with_those_of_one_job
    )


@router.get("/deliveries", dependencies=[allow(Scope.READ)])
async def list_deliveries(
    services: ServicesDependency,
    caller: CallerDependency,
    state: Annotated[list[DeliveryState] | None, Query(description="Only these; may be given several times.")] = None,
    endpoint_id: Name = None,
    job_id: Annotated[str | None, Query(max_length=200, description="Of one job or batch.")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[DeliveryAnswer]:
    """List what was told, or is to be, the latest first."""
    owner = None if caller.sees_all else caller.id
    chosen = DeliveryFilter(states=state or (), endpoint_id=endpoint_id, subject=job_id, owner=owner)
    return await run_in_threadpool(webhooks.list_deliveries, services, chosen, after, limit)


@router.get("/deliveries/{delivery_id}", dependencies=[allow(Scope.READ)], responses=NOT_FOUND)
async def get_delivery(delivery_id: str, services: ServicesDependency, caller: CallerDependency) -> DeliveryDetail:
    """Show a delivery: what is sent, and every try."""
    return await run_in_threadpool(webhooks.get_delivery, services, caller, delivery_id)


@router.post("/deliveries/{delivery_id}/replay", dependencies=[allow(Scope.WRITE)], status_code=202, responses=IS_OFF)
async def replay_delivery(delivery_id: str, services: ServicesDependency, caller: CallerDependency) -> DeliveryAnswer:
    """Send a delivery again, whatever became of it, under the same id and from the first try on."""
    return await run_in_threadpool(webhooks.replay_delivery, services, caller, delivery_id)


@router.get("/{endpoint_id}", dependencies=[allow(Scope.READ)], responses=NOT_FOUND)
async def get_webhook(endpoint_id: str, services: ServicesDependency, caller: CallerDependency) -> EndpointAnswer:
    """Show who is told, and how it has been answering."""
    return await run_in_threadpool(webhooks.get_endpoint, services, caller, endpoint_id)


@router.patch("/{endpoint_id}", dependencies=[allow(Scope.WRITE)], responses=NOT_FOUND)
async def change_webhook(
    endpoint_id: str, body: EndpointChange, services: ServicesDependency, caller: CallerDependency
) -> EndpointAnswer:
    """Change address, description or events."""
    return await run_in_threadpool(webhooks.change_endpoint, services, caller, endpoint_id, body)


@router.delete("/{endpoint_id}", dependencies=[allow(Scope.WRITE)], status_code=204, responses=NOT_FOUND)
async def delete_webhook(endpoint_id: str, services: ServicesDependency, caller: CallerDependency) -> None:
    """Tell it nothing any more, and forget its deliveries."""
    await run_in_threadpool(webhooks.delete_endpoint, services, caller, endpoint_id)


@router.get("/{endpoint_id}/secret", dependencies=[allow(Scope.WRITE)], responses=NOT_FOUND)
async def get_secret(
    endpoint_id: str, services: ServicesDependency, caller: CallerDependency, response: Response
) -> SecretAnswer:
    """Show the secret to verify with. Who may only read does not see it."""
    response.headers["Cache-Control"] = "no-store"
    return await run_in_threadpool(webhooks.get_secret, services, caller, endpoint_id)


@router.post("/{endpoint_id}/rotate-secret", dependencies=[allow(Scope.WRITE)], responses=NOT_FOUND)
async def rotate_secret(
    endpoint_id: str, body: RotateRequest, services: ServicesDependency, caller: CallerDependency
) -> SecretAnswer:
    """Make a new secret. For a while events are signed by the old one, too, so that nothing is lost on the way."""
    return await run_in_threadpool(webhooks.rotate_secret, services, caller, endpoint_id, body)


@router.post("/{endpoint_id}/enable", dependencies=[allow(Scope.WRITE)], responses=NOT_FOUND)
async def enable_webhook(endpoint_id: str, services: ServicesDependency, caller: CallerDependency) -> EndpointAnswer:
    """Tell it again, from now on; what it missed before, `replay` sends."""
    return await run_in_threadpool(webhooks.switch_endpoint, services, caller, endpoint_id, is_on=True)


@router.post("/{endpoint_id}/disable", dependencies=[allow(Scope.WRITE)], responses=NOT_FOUND)
async def disable_webhook(endpoint_id: str, services: ServicesDependency, caller: CallerDependency) -> EndpointAnswer:
    """Tell it nothing for now; what was on its way is abandoned, and can be replayed."""
    return await run_in_threadpool(webhooks.switch_endpoint, services, caller, endpoint_id, is_on=False)


@router.post("/{endpoint_id}/test", dependencies=[allow(Scope.WRITE)], status_code=202, responses=IS_OFF)
async def test_webhook(endpoint_id: str, services: ServicesDependency, caller: CallerDependency) -> DeliveryAnswer:
    """Send it a `webhook.test` event; what becomes of it, the delivery shows."""
    return await run_in_threadpool(webhooks.try_endpoint, services, caller, endpoint_id)


@router.post("/{endpoint_id}/replay", dependencies=[allow(Scope.WRITE)], status_code=202, responses=IS_OFF)
async def replay_lost(
    endpoint_id: str, body: ReplayRequest, services: ServicesDependency, caller: CallerDependency
) -> Replayed:
    """Send again all that it was to be told since a time and has not taken: failed and abandoned deliveries."""
    return await run_in_threadpool(webhooks.replay_lost, services, caller, endpoint_id, body.since)
