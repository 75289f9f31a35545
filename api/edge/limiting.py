"""Limits on calls: by API key, else by user, else by address; apart for each kind of call.

Every limited answer says where its caller stands (``RateLimit-Limit``, ``-Remaining``, ``-Reset``, ``-Policy``, after
draft-ietf-httpapi-ratelimit-headers-06); one that is refused is a 429 with ``Retry-After``.
"""

import hashlib
from ipaddress import IPv6Address, ip_network

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import current_caller
from api.dependencies import Services
from api.edge.forwarded import address_of
from api.edge.rates import REFUSED, Standing
from api.edge.refusals import refuse
from api.links import BASE
from data.domain.errors import RateLimitedError
from data.domain.identity import LOCAL_USER, Caller

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_SEARCHES = tuple(f"{BASE}/{path}" for path in ("search", "logs/search", "jobs/search", "jobs/metrics", "audit"))
"""What looks through everything costs more than what shows one thing."""


async def admitted(request: Request) -> Caller:
    """Find out who makes a call, and count it against that caller's limit. A dependency of whole areas.

    Raises:
        AuthenticationError: The token or key is not right, or not any more.
        RateLimitedError: The caller has asked too often.
    """
    caller = await current_caller(request)
    await limited(request)
    return caller


async def limited(request: Request) -> None:
    """Count a call against its caller's limit; where nobody looked who calls, against the address's.

    Raises:
        RateLimitedError: The caller has asked too often.
    """
    services: Services = request.app.state.services
    caller: Caller | None = getattr(request.state, "caller", None)
    group = group_of(request.method, request.url.path)
    limits = services.settings.limits
    is_local = caller is not None and caller.id == LOCAL_USER
    rate = limits.local if is_local else str(getattr(limits, group))
    standing = await services.rates.take(group, subject_of(caller, request.scope), rate)
    request.state.standing = standing
    if not standing.is_allowed:
        raise too_often(standing)


async def limit_account(services: Services, name: str) -> None:
    """Count a try to log in against the account's name, so that many addresses together cannot guess either.

    Raises:
        RateLimitedError: That account was tried too often.
    """
    subject = hashlib.sha256(name.strip().casefold().encode()).hexdigest()
    standing = await services.rates.take("account", subject, services.settings.limits.auth)
    if not standing.is_allowed:
        raise too_often(standing)


def group_of(method: str, path: str) -> str:
    """Return the kind of a call: `auth`, `uploads`, `searches`, `reads` or `writes`, as the settings name them."""
    if method in _READING:
        return "searches" if path.startswith(_SEARCHES) else "reads"
    if path.startswith(f"{BASE}/auth/"):
        return "auth"
    return "uploads" if path == f"{BASE}/uploads" or path.startswith(f"{BASE}/uploads/") else "writes"


def subject_of(caller: Caller | None, scope: Scope) -> str:
    """Return whom a call counts against; whoever has an IPv6 address has 2^64 of them, which count as one."""
    if caller is not None:
        return f"key:{caller.key_id}" if caller.key_id else f"user:{caller.id}"
    shown = scope.get("state", {}).get("client", "")
    address = address_of(shown)
    return f"address:{ip_network((address, 64), strict=False) if isinstance(address, IPv6Address) else shown}"


def too_often(standing: Standing) -> RateLimitedError:
    """Return the refusal of a call, and count it."""
    REFUSED.labels(standing.group).inc()
    return RateLimitedError(
        f"Too many calls of this kind ({standing.group}): {standing.limit} are allowed in {standing.window_seconds} s.",
        {"group": standing.group, "limit": standing.limit, "retry_after_seconds": standing.reset_seconds},
    )


class LimitHeaders:
    """Says in each answer where its caller stands, and stops addresses that try one credential after the other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not scope["path"].startswith(BASE):
            await self._app(scope, receive, send)
            return
        services: Services = scope["app"].state.services
        rate, address = services.settings.limits.failures, subject_of(None, scope)
        failures = await services.failures.standing("failures", address, rate)
        if not failures.is_allowed:
            await refuse(too_often(failures), scope, receive, send, failures.headers)
            return

        async def send_with_standing(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == 401:
                    await services.failures.take("failures", address, rate)
                standing: Standing | None = scope.get("state", {}).get("standing")
                if standing is not None:
                    raw = MutableHeaders(scope=message).raw
                    raw.extend((name.lower().encode(), value.encode()) for name, value in standing.headers.items())
            await send(message)

        await self._app(scope, receive, send_with_standing)
