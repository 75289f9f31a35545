"""Answers to calls that never reach a route."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from api.errors import error_problem
from data.domain.errors import DailiesError


async def refuse(
    error: DailiesError, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with a problem, and hang up: a body that nobody reads must not be taken for the next request."""
    answer = error_problem(Request(scope), error)
    answer.headers["Connection"] = "close"
    answer.headers.update(headers or {})
    await answer(scope, receive, send)
