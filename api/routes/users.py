"""Users, as admins keep them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.access import allow
from api.account_schemas import UserAnswer, UserCall, UserChange
from api.accounts import change_user, create_user, get_user, list_users
from api.dependencies import ServicesDependency
from api.links import user_url
from api.schemas import Page, Problem
from data.domain.identity import Scope

router = APIRouter(prefix="/users", tags=["users"])

Responses = dict[int | str, dict[str, Any]]
NOT_FOUND: Responses = {404: {"model": Problem}}
REFUSED: Responses = {409: {"model": Problem}, 422: {"model": Problem}}


@router.post("", dependencies=[allow(Scope.ADMIN)], status_code=201, responses=REFUSED)
async def add_user(body: UserCall, services: ServicesDependency, response: Response) -> UserAnswer:
    """Make somebody a user."""
    user = await create_user(services, body.name, body.password, body.role)
    response.headers["Location"] = user_url(user.id)
    return user


@router.get("", dependencies=[allow(Scope.ADMIN)])
async def all_users(
    services: ServicesDependency,
    after: Annotated[str | None, Query(max_length=500, description="The `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[UserAnswer]:
    """List users, the latest first."""
    return await list_users(services, after, limit)


@router.get("/{user_id}", dependencies=[allow(Scope.ADMIN)], responses=NOT_FOUND)
async def one_user(user_id: str, services: ServicesDependency) -> UserAnswer:
    """Show a user."""
    return await get_user(services, user_id)


@router.patch("/{user_id}", dependencies=[allow(Scope.ADMIN)], responses={**NOT_FOUND, **REFUSED})
async def edit_user(user_id: str, body: UserChange, services: ServicesDependency) -> UserAnswer:
    """Change a user's role, disable them or let them in again, give them another password. The last admin stays."""
    return await change_user(services, user_id, body)
