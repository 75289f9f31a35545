"""API keys: what programs call with."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.access import allow
from api.account_schemas import ApiKeyAnswer, ApiKeyCall, NewApiKeyAnswer
from api.accounts import create_key, list_keys, revoke_key
from api.dependencies import ServicesDependency
from api.schemas import Page, Problem
from data.domain.identity import Scope

router = APIRouter(prefix="/api-keys", tags=["api-keys"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}


@router.post("", dependencies=[allow(Scope.READ)], status_code=201, responses={**NOT_FOUND, 422: {"model": Problem}})
async def add_key(body: ApiKeyCall, services: ServicesDependency, response: Response) -> NewApiKeyAnswer:
    """Make an API key, which may do no more than you. The answer shows it this once: keep it well."""
    response.headers["Cache-Control"] = "no-store"
    return await create_key(services, body)


@router.get("", dependencies=[allow(Scope.READ)])
async def all_keys(
    services: ServicesDependency,
    user_id: Annotated[str | None, Query(max_length=100, description="Whose; others' are for admins.")] = None,
    after: Annotated[str | None, Query(max_length=500, description="The `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[ApiKeyAnswer]:
    """List your API keys, the latest first, revoked ones too."""
    return await list_keys(services, user_id, after, limit)


@router.delete("/{key_id}", dependencies=[allow(Scope.READ)], status_code=204, responses=NOT_FOUND)
async def remove_key(key_id: str, services: ServicesDependency) -> None:
    """Revoke an API key: it does nothing any more. Admins revoke anybody's."""
    await revoke_key(services, key_id)
