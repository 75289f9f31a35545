"""Logging in: OAuth2 with name and password, refresh tokens that are good for one use, and revoking."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Response

from api.access import authenticated
from api.account_schemas import CallerAnswer, GrantProblem, PasswordChange, SignUpCall, TokenAnswer, UserAnswer
from api.accounts import change_password, create_user, log_out_everywhere
from api.authentication import Tokens
from api.dependencies import PublicServices, Services, ServicesDependency
from api.edge.limiting import limit_account
from api.schemas import Problem
from data.domain.errors import GrantRefusedError, SignUpClosedError
from data.domain.identity import MAX_PASSWORD_CHARACTERS, Role, Scope

router = APIRouter(prefix="/auth", tags=["auth"])

Responses = dict[int | str, dict[str, Any]]
REFUSED: Responses = {
    400: {"model": GrantProblem, "description": "No token for that; `error` says why (RFC 6749 §5.2)."}
}
DENIED: Responses = {401: {"model": Problem, "description": "Nobody knows who calls."}}
Short = Annotated[str, Form(max_length=MAX_PASSWORD_CHARACTERS)]


@router.post(
    "/signup",
    status_code=201,
    responses={403: {"model": Problem, "description": "Users are made by admins here."}, 409: {"model": Problem}},
)
async def sign_up(body: SignUpCall, services: PublicServices) -> UserAnswer:
    """Become a user, where that is open."""
    role = services.settings.auth.sign_up
    if role == "closed":
        raise SignUpClosedError("Nobody signs up here: ask an admin.")
    return await create_user(services, body.name, body.password, Role(role))


@router.post("/token", responses=REFUSED)
async def issue_token(
    response: Response,
    services: PublicServices,
    grant_type: Annotated[str, Form(description="`password` or `refresh_token`.", max_length=50)] = "",
    username: Short = "",
    password: Annotated[str, Form(max_length=MAX_PASSWORD_CHARACTERS, json_schema_extra={"format": "password"})] = "",
    refresh_token: Short = "",
    scope: Annotated[
        str, Form(description="`read write admin`, or fewer: narrows what the tokens may do.", max_length=200)
    ] = "",
) -> TokenAnswer:
    """Log in with name and password, or go on with a refresh token, which is good for one use.

    A refresh token that is presented twice closes its login: somebody else has it, too.
    """
    response.headers["Cache-Control"] = "no-store"
    if username:
        await limit_account(services, username)
    tokens = await _tokens(services, grant_type, username, password, refresh_token, _scopes(scope))
    return _token_answer(tokens)


@router.post("/revoke", status_code=200, response_class=Response)
async def revoke_token(
    services: PublicServices,
    token: Annotated[str, Form(max_length=10_000, description="An access token, a refresh token or an API key.")],
    token_type_hint: Annotated[str, Form(max_length=50, description="Not needed.")] = "",
) -> Response:
    """Revoke a token (RFC 7009): with a refresh token, its whole login. What is none of ours is so already."""
    await services.authenticator.revoke(token)
    return Response(status_code=200)


@router.get("/me", dependencies=[authenticated()], responses=DENIED)
async def who_am_i(services: ServicesDependency) -> CallerAnswer:
    """Show who calls, and what they may do with what they called with."""
    caller = services.caller
    return CallerAnswer(
        id=caller.id, name=caller.name, role=caller.role, scopes=tuple(sorted(caller.scopes)), key_id=caller.key_id
    )


@router.post("/logout-everywhere", status_code=204, dependencies=[authenticated()], responses=DENIED)
async def log_out(services: ServicesDependency) -> None:
    """Revoke all access and refresh tokens of the caller, wherever they are. API keys stay."""
    await log_out_everywhere(services)


@router.post("/password", dependencies=[authenticated()], responses=DENIED)
async def change_own_password(body: PasswordChange, response: Response, services: ServicesDependency) -> TokenAnswer:
    """Give oneself another password: it ends all logins, and the answer is a new one. API keys stay."""
    response.headers["Cache-Control"] = "no-store"
    await limit_account(services, services.caller.name)
    return _token_answer(await change_password(services, body))


async def _tokens(
    services: Services, grant: str, name: str, password: str, refresh: str, scopes: frozenset[Scope] | None
) -> Tokens:
    if grant == "password":
        return await services.authenticator.log_in(name, password, scopes)
    if grant == "refresh_token":
        return await services.authenticator.refresh(refresh, scopes)
    raise GrantRefusedError(
        "`grant_type` is `password` or `refresh_token`.",
        {"error": "unsupported_grant_type" if grant else "invalid_request"},
    )


def _token_answer(tokens: Tokens) -> TokenAnswer:
    return TokenAnswer(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in=tokens.expires_in_seconds,
        scope=" ".join(sorted(tokens.scopes)),
    )


def _scopes(text: str) -> frozenset[Scope] | None:
    words = text.split()
    if unknown := [word for word in words if word not in list(Scope)]:
        raise GrantRefusedError(f"There is no scope {unknown[0]!r}.", {"error": "invalid_scope"})
    return frozenset(map(Scope, words)) or None
