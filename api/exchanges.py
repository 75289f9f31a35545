"""One call of the API as metrics, audit and access log see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.types import Scope

from api.links import BASE
from data.domain.identity import Caller

NO_ROUTE = "(none)"
"""In place of a template, where no route fits: paths that strangers try must not become values of labels."""

SUBJECTS = frozenset({"job_id", "asset_id", "batch_id"})


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and the beginning of its answer."""

    at: datetime
    method: str
    path: str
    route: str
    """Template of the path."""
    resource: str | None
    """Id of what it is about, or of what it made."""
    status: int
    seconds: float
    """Until the answer began."""
    caller: Caller | None
    """Not there when the call was refused before anybody looked, and where everybody may call."""
    address: str | None
    request_id: str | None
    trace_id: str | None
    scope: str | None
    """The scope that the call needed, where the route has said so."""
    subjects: Mapping[str, str]
    """Ids of job, asset and batch that the path names."""


def exchange_of(
    scope: Scope, status: int, location: str | None, at: datetime, seconds: float, trace_id: str | None
) -> Exchange:
    """Return a call that has been answered.

    Args:
        scope: The request's ASGI scope, after the router has seen it.
        status: Of the answer.
        location: The answer's ``Location``, which names what was made.
        at: When the request came.
        seconds: Until the answer began.
        trace_id: Id of the trace that it belongs to.
    """
    state: Mapping[str, Any] = scope.get("state", {})
    client = scope.get("client")
    needed = state.get("needed_scope")
    return Exchange(
        at=at,
        method=scope["method"],
        path=scope["path"],
        route=_route(scope),
        resource=_resource(scope.get("path_params", {}), location),
        status=status,
        seconds=seconds,
        caller=state.get("caller"),
        address=state.get("client") or (client[0] if client else None),
        request_id=state.get("request_id"),
        trace_id=trace_id,
        scope=str(needed) if needed else None,
        subjects={name: str(value) for name, value in scope.get("path_params", {}).items() if name in SUBJECTS},
    )


def _route(scope: Scope) -> str:
    route = scope.get("route")
    template = getattr(route, "path", None)
    if template is None and scope.get("root_path") and "endpoint" in scope:
        return f"{scope['root_path']}/*"  # static files
    if template is None:
        return NO_ROUTE
    # A route does not know under which prefix its router was included.
    is_ours = scope["path"].startswith(f"{BASE}/") and not template.startswith(f"{BASE}/")
    return f"{BASE}{template}" if is_ours else str(template)


def _resource(parameters: Mapping[str, Any], location: str | None) -> str | None:
    named = "/".join(str(value) for value in parameters.values() if value != "")
    made = location.split("?")[0].rstrip("/").rpartition("/")[2] if location else ""
    return named or made or None
