"""By which names the API may be called.

A page that a person on this machine opens in a browser can point a name of its own at 127.0.0.1 and then talk to what
listens there (DNS rebinding); the browser still sends that name as ``Host``, which is how it is told apart.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.edge.refusals import refuse
from data.domain.errors import HostNotAllowedError
from data.settings import ApiSettings

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
PROBES = "/api/v1/health"
"""Probes of an orchestrator call by the address of a container, and learn nothing but whether it is alive."""


def allowed_hosts(settings: ApiSettings) -> tuple[str, ...]:
    """Return the names by which the API may be called; ``*`` is any, ``*.example`` any below ``example``."""
    if settings.allowed_hosts:
        return tuple(name.lower() for name in settings.allowed_hosts)
    if settings.host not in ("127.0.0.1", "::1", "localhost"):
        return ("*",)
    public = urlsplit(settings.public_url).hostname
    return (*LOOPBACK_NAMES, *([public] if public else []))


class AllowedHosts:
    """Refuses calls by another name with 421."""

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app = app
        self._names = frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and not scope["path"].startswith(PROBES):
            hosts = Headers(scope=scope).getlist("Host")
            if len(hosts) > 1 or not self._allows(_name(hosts[0] if hosts else "")):
                problem = HostNotAllowedError(
                    "The API does not answer by this name; DAILIES_API__ALLOWED_HOSTS lists those that are taken."
                )
                await refuse(problem, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _allows(self, name: str) -> bool:
        if "*" in self._names or name in self._names:
            return True
        parents = name.split(".")[1:]
        return any(f"*.{'.'.join(parents[start:])}" in self._names for start in range(len(parents)))


def _name(host: str) -> str:
    name = host.lower()
    return name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0].rstrip(".")
