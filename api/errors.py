"""Every error as ``application/problem+json`` (RFC 9457): our own tree, field errors, and what the framework raises."""

import inspect
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.privacy import facts_without_local_paths, without_local_paths
from api.schemas import Problem
from data.domain.errors import (
    AuthenticationRequiredError,
    DailiesError,
    GrantRefusedError,
    InvalidRequestError,
    ScopeMissingError,
)
from data.domain.jobs import one_line

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
"""What a 503 tells clients to wait: our dependencies come back within seconds or an operator is needed anyway."""

logger = logging.getLogger(__name__)


class RefusedWhileReading(HTTPException):
    """One of our errors, met while a body was read: of all others FastAPI would make a 400 there."""

    def __init__(self, error: DailiesError) -> None:
        super().__init__(error.http_status, error.message)
        self.error = error


def install_error_handlers(app: FastAPI) -> None:
    """Make the app answer every refusal as a problem; what nobody foresaw is the middleware's."""
    app.add_exception_handler(DailiesError, _dailies_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _framework_error)


def error_problem(request: Request, error: DailiesError) -> Response:
    """Return the answer for one of our own errors; where files lie on our machines is for the log alone."""
    headers = _challenge(error)
    if error.http_status in (429, 503):
        headers["Retry-After"] = str(error.facts.get("retry_after_seconds") or RETRY_AFTER_SECONDS)
    return _problem(
        request,
        status=error.http_status,
        code=error.code,
        title=_title(type(error)),
        detail=without_local_paths(error.message),
        facts=facts_without_local_paths(error.facts),
        headers=headers,
        members=_oauth_members(error),
    )


def unexpected_problem(request: Request) -> Response:
    """Return the answer for an error that nobody foresaw; says nothing about its inside, the log does."""
    return _problem(
        request,
        status=500,
        code="INFRA.UNKNOWN",
        title="Something went wrong on our side.",
        detail="The error is in the server's log under this request id.",
    )


def _challenge(error: DailiesError) -> dict[str, str]:
    """Return how to say who one is (RFC 6750), where that is what is wrong."""
    if error.http_status == 401:
        is_silent = isinstance(error, AuthenticationRequiredError)
        return {"WWW-Authenticate": 'Bearer realm="dailies"' + ("" if is_silent else ', error="invalid_token"')}
    if isinstance(error, ScopeMissingError):
        scope = error.facts.get("scope", "")
        return {"WWW-Authenticate": f'Bearer realm="dailies", error="insufficient_scope", scope="{scope}"'}
    return {}


def _oauth_members(error: DailiesError) -> dict[str, str]:
    """Return what OAuth2 clients look for in a refusal (RFC 6749 §5.2), beside what every problem has."""
    if not isinstance(error, GrantRefusedError):
        return {}
    return {"error": str(error.facts.get("error", "invalid_request")), "error_description": error.message}


async def _dailies_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DailiesError)
    if error.http_status >= 500:
        logger.warning("%s %s: %s", request.method, one_line(request.url.path), one_line(str(error)))
    return error_problem(request, error)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [_field_error(each) for each in error.errors()]
    return _problem(
        request,
        status=422,
        code=InvalidRequestError.code,
        title=_title(InvalidRequestError),
        detail="; ".join(f"{each['field'] or 'body'}: {each['detail']}" for each in fields[:5]),
        errors=fields,
    )


async def _framework_error(request: Request, error: Exception) -> Response:
    """404 and 405 of the router, 400 of a body that is not JSON."""
    assert isinstance(error, HTTPException)
    if isinstance(error, RefusedWhileReading):
        answer = error_problem(request, error.error)
        answer.headers["Connection"] = "close"  # the rest of the body is not read
        return answer
    phrase = HTTPStatus(error.status_code).phrase
    code = "REQUEST." + phrase.upper().replace(" ", "_").replace("-", "_")
    detail = error.detail if error.detail != phrase else f"{phrase}: {request.method} {request.url.path}"
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    return _problem(request, status=error.status_code, code=code, title=phrase, detail=detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """Return all methods of an address; the router knows only those of the first route that has it."""
    routes = [
        (route.path or "", route.methods or set())
        for route in iter_route_contexts(request.app.routes)
        if (pattern := getattr(route, "path_regex", None)) and pattern.match(request.scope["path"])
    ]
    own = min((path for path, _ in routes), key=lambda path: path.count("{"))  # `/jobs/metrics` is no `/jobs/{job_id}`
    return sorted(set().union(*(methods for path, methods in routes if path == own)))


def _field_error(error: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of ``errors``: where (``in``, ``field``, JSON ``pointer`` for bodies), what is wrong, and its kind."""
    place, *path = [str(part) for part in error["loc"]]
    entry = {"in": place, "field": ".".join(path), "detail": error["msg"], "kind": error["type"]}
    if place == "body":
        entry["pointer"] = "#" + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    return entry


def _title(error: type[DailiesError]) -> str:
    """The class's docstring is its title: the same for every occurrence, as RFC 9457 wants it."""
    return inspect.cleandoc(error.__doc__ or error.__name__).splitlines()[0]


def _problem(
    request: Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    facts: Mapping[str, Any] | None = None,
    errors: Sequence[dict[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, str] | None = None,
) -> Response:
    problem = Problem(
        type=f"urn:dailies:problem:{code.lower()}",
        title=title,
        status=status,
        detail=detail,
        instance=request.url.path,
        code=code,
        request_id=request.scope.get("state", {}).get("request_id", ""),
        facts=dict(facts or {}),
        errors=tuple(errors),
    )
    body = b"" if request.method == "HEAD" else orjson.dumps({**problem.model_dump(mode="json"), **(members or {})})
    return Response(body, status, {**(headers or {}), "Cache-Control": "no-store"}, MEDIA_TYPE)
