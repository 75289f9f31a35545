"""Who makes a call, and whether they may: dependencies of the routes.

Every route says which scope it needs (``dependencies=[allow(Scope.READ)]``), or is one that everybody may call; a test
walks the routes. What a caller may see of the rest is decided where it is looked up, by its owner.
"""

from collections.abc import Collection
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer, SecurityScopes

from api.authentication import Authenticator
from api.links import BASE
from data.domain.errors import AuthenticationRequiredError, ScopeMissingError
from data.domain.identity import ANONYMOUS_CALLER, Caller, Scope

_BEARER = OAuth2PasswordBearer(
    tokenUrl=f"{BASE}/auth/token",
    refreshUrl=f"{BASE}/auth/token",
    scheme_name="OAuth2",
    scopes={
        Scope.READ: "See one's own jobs, batches and assets.",
        Scope.WRITE: "Hand in work and control it.",
        Scope.ADMIN: "See everybody's, and the users, keys, providers, generations, audit and metrics.",
    },
    auto_error=False,
)
_API_KEY = APIKeyHeader(name="X-API-Key", scheme_name="ApiKey", auto_error=False)
SCHEMES = {
    scheme.scheme_name: scheme.model.model_dump(mode="json", by_alias=True, exclude_none=True)
    for scheme in (_BEARER, _API_KEY)
}
"""The ways to say who one is, as OpenAPI describes them."""


async def current_caller(request: Request) -> Caller:
    """Return who makes the call; kept in the request's state for what follows the answer (audit, metrics).

    Raises:
        AuthenticationError: The token or key is not right, or not any more.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    authenticator: Authenticator = request.app.state.services.authenticator
    caller = request.state.caller = await authenticator.caller(request.headers)
    return caller


CallerDependency = Annotated[Caller, Depends(current_caller)]


async def _require(request: Request, needed: SecurityScopes) -> None:
    caller = await current_caller(request)  # called, not depended on: each dependency costs as much as looking at it
    check_scopes(request, caller, [Scope(scope) for scope in needed.scopes])


def check_scopes(request: Request, caller: Caller, needed: Collection[Scope]) -> None:
    """Let a call pass whose caller may make it; what it needs is kept in the request's state, for the audit.

    Raises:
        AuthenticationRequiredError: Nobody has said who they are.
        ScopeMissingError: The caller lacks one of the scopes.
    """
    request.state.needed_scope = " ".join(needed) or None
    missing = [scope for scope in needed if not caller.may(scope)]
    if caller is ANONYMOUS_CALLER:
        raise AuthenticationRequiredError("Say who you are: with a bearer token, or an API key in X-API-Key.")
    if missing:
        raise ScopeMissingError(
            f"This needs the scope {missing[0].value!r}, which you do not have.", {"scope": missing[0].value}
        )


def allow(scope: Scope) -> Any:
    """Return the dependency of a route that only callers with a scope may call."""
    return Security(_require, scopes=[scope.value])


def authenticated() -> Any:
    """Return the dependency of a route that needs no scope, but must know who calls."""
    return Security(_require, scopes=[])


def is_guarded(route: Any) -> bool:
    """Tell whether a route says who may call it."""
    return any(each.dependency is _require for each in getattr(route, "dependencies", ()))


def security_of(route: Any) -> list[dict[str, list[str]]]:
    """Return what OpenAPI says of who may call a route: any one way to say who one is, with the scopes it needs."""
    scopes = sorted(needed_scopes(route))
    return [{name: [scope.value for scope in scopes]} for name in SCHEMES] if is_guarded(route) else []


def needed_scopes(route: Any) -> frozenset[Scope]:
    """Return the scopes that a route needs; none where it declares nothing."""
    dependencies = [each for each in getattr(route, "dependencies", ()) if each.dependency is _require]
    return frozenset(Scope(scope) for each in dependencies for scope in each.scopes or ())
