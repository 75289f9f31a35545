"""Who really calls, and by which address: what proxies say, believed of trusted ones only.

| proxy | sends | needs |
|---|---|---|
| NGINX | what its configuration says | `deployments/nginx` |
| HAProxy | what its configuration says | `deployments/haproxy` |
| Traefik | `X-Forwarded-For/-Proto/-Host/-Port`, `X-Real-Ip`; `StripPrefix` adds `X-Forwarded-Prefix` | nothing |
| Kong | the same, `X-Forwarded-Prefix` where `strip_path` is on, `X-Kong-Request-Id` | nothing |
| AWS ALB | `X-Forwarded-For/-Proto/-Port`, `X-Amzn-Trace-Id`; keeps `Host` | its mode `append` (the usual one); \
`client_port` off or on |
| AWS API Gateway (HTTP, to a load balancer) | `Forwarded` | `DAILIES_API__PROXY_HEADERS=forwarded` |
| another by RFC 7239 | `Forwarded: for=…;proto=…;host=…` | the same |

In each case `DAILIES_API__TRUSTED_PROXIES` holds the networks of the proxies. The list of addresses is walked from the
right, where the nearest proxy wrote: the first that is no trusted proxy is the client, and what stands left of it is
hearsay. A caller who is no trusted proxy has these headers taken off, so that nothing behind can believe them.

A proxy adds to the header that it knows and hands others on as the caller wrote them: NGINX, HAProxy and ALB know
nothing of `Forwarded`. So of the two kinds only the one that the setting names is read; with both, anybody could say to
be anybody. What callers may still invent behind such a proxy (`X-Forwarded-Host`, `-Prefix`, ids) decides nothing but
what stands in the answers to themselves.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.links import PREFIX

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Kind = Literal["x-forwarded", "forwarded"]
"""Which headers proxies write: those of custom, or that of RFC 7239."""

FORWARDING_HEADERS = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-real-ip",
        b"x-correlation-id",
        b"x-kong-request-id",
        b"kong-request-id",
        b"x-amzn-trace-id",
    }
)
"""What only a trusted proxy may say. ``X-Request-ID`` and ``traceparent`` are any caller's to choose."""

_REQUEST_ID_HEADERS = ("X-Correlation-ID", "X-Kong-Request-Id", "Kong-Request-ID", "X-Amzn-Trace-Id")
_AMAZON_ROOT = re.compile(r"Root=([0-9a-fA-F-]{1,64})")
_PAIR = re.compile(r'\s*([A-Za-z]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s";,]*)\s*')
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+){1,8}")
_MAX_HOPS = 50
_MAX_ADDRESS = 128
_MAX_PAIR = 512


@dataclass(frozen=True)
class Hop:
    """What one proxy says of whoever called it."""

    client: Address | None
    """``None``: unknown, or hidden on purpose."""
    proto: str = ""
    host: str = ""


@dataclass(frozen=True)
class Origin:
    """Where a call really comes from, and how it was addressed; empty: as the connection says."""

    client: Address | None
    proto: str = ""
    host: str = ""
    prefix: str = ""
    request_id: str = ""


class TrustedProxies:
    """Puts the real client, scheme and host of each request in place of the proxy's. Around all that asks.

    ``request.state.client`` is the client's address in its plain form, or ``""`` where a connection has none;
    ``request.state.is_forwarded`` says whether anything spoke of a proxy, trusted or not.
    """

    def __init__(self, app: ASGIApp, networks: Sequence[Network] = (), kind: Kind = "x-forwarded") -> None:
        self._app = app
        self._networks = tuple(networks)
        self._kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        peer = address_of(scope["client"][0]) if scope.get("client") else None
        origin = Origin(peer)
        if peer is not None and is_trusted(peer, self._networks):
            origin = origin_of(Headers(scope=scope), peer, self._networks, self._kind)
        changed = _as_called(scope, origin)
        token = PREFIX.set(origin.prefix)
        try:
            await self._app(changed, receive, send)
        finally:
            PREFIX.reset(token)


def origin_of(headers: Headers, peer: Address, networks: Sequence[Network], kind: Kind = "x-forwarded") -> Origin:
    """Read what trusted proxies say of a call.

    Args:
        headers: Of the request.
        peer: The proxy that made the connection.
        networks: Those of the trusted proxies.
        kind: The headers that they write.
    """
    hops = _x_forwarded(headers) if kind == "x-forwarded" else _forwarded(headers.getlist("Forwarded"))
    client, reached = peer, None
    for hop in reversed(hops):
        reached = hop
        if hop.client is None:
            break
        client = hop.client
        if not is_trusted(client, networks):
            break
    proto, host = (reached.proto, reached.host) if reached else ("", "")
    port = ""
    if kind == "x-forwarded":
        proto = proto or _last(headers, "X-Forwarded-Proto")
        host, port = host or _last(headers, "X-Forwarded-Host"), _last(headers, "X-Forwarded-Port")
    prefix = _last(headers, "X-Forwarded-Prefix").rstrip("/")  # RFC 7239 has no word for it
    return Origin(
        client=client,
        proto=proto.lower() if proto.lower() in ("http", "https") else "",
        host=_with_port(host, port) if _HOST.fullmatch(host) else "",
        prefix=prefix if _PREFIX.fullmatch(prefix) and "/.." not in prefix else "",
        request_id=_request_id(headers),
    )


def is_trusted(address: Address, networks: Iterable[Network]) -> bool:
    """Say whether an address is that of a trusted proxy."""
    return any(address in network for network in networks)


def address_of(text: str) -> Address | None:
    """Read an address as proxies write it: plain, in brackets, with a port, with a zone; ``None`` if it is none."""
    return _read_address(text) if len(text) <= _MAX_ADDRESS else None


@lru_cache(maxsize=4096)  # each call is asked about several times, and few addresses make most of them
def _read_address(text: str) -> Address | None:
    plain = text.strip().strip('"')
    if plain.startswith("["):
        plain = plain[1:].partition("]")[0]
    elif plain.count(":") == 1:
        plain = plain.partition(":")[0]
    try:
        address = ip_address(plain.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _forwarded(lines: Sequence[str]) -> list[Hop]:
    """Read RFC 7239, the nearest proxy last; what cannot be read hides what stands left of it."""
    hops: list[Hop] = []
    for element in _split(",".join(lines), ",")[-_MAX_HOPS:]:
        pairs: dict[str, str] = {}
        for part in _split(element, ";"):
            if len(part) <= _MAX_PAIR and (found := _PAIR.fullmatch(part)):
                pairs[found[1].lower()] = re.sub(r"\\(.)", r"\1", found[2].strip('"'))
        hops.append(Hop(address_of(pairs.get("for", "")), pairs.get("proto", ""), pairs.get("host", "")))
    return hops


def _split(text: str, separator: str) -> list[str]:
    """Split outside of quoted strings, which are looked for from the right.

    There stands what the nearest proxy wrote; a quote that a caller began and did not end would, from the left, turn
    the proxy's own quotes inside out, and what is left of these be taken for the proxy's word.
    """
    found = re.findall(rf'(?:"[^"]*"|[^{separator}"])+', text[::-1])
    return [part[::-1] for part in reversed(found) if part.strip()]


def _x_forwarded(headers: Headers) -> list[Hop]:
    clients = _list(headers, "X-Forwarded-For")[-_MAX_HOPS:]
    if not clients:
        return [Hop(address_of(headers["X-Real-IP"]))] if "X-Real-IP" in headers else []
    protos, hosts = _list(headers, "X-Forwarded-Proto"), _list(headers, "X-Forwarded-Host")
    # Lists of the same length were written side by side; otherwise only the nearest proxy's word counts.
    aligned_protos = protos if len(protos) == len(clients) else [""] * len(clients)
    aligned_hosts = hosts if len(hosts) == len(clients) else [""] * len(clients)
    return [Hop(address_of(each), *said) for each, *said in zip(clients, aligned_protos, aligned_hosts, strict=True)]


def _list(headers: Headers, name: str) -> list[str]:
    return [part.strip() for part in ",".join(headers.getlist(name)).split(",") if part.strip()]


def _last(headers: Headers, name: str) -> str:
    return next(reversed(_list(headers, name)), "")


def _with_port(host: str, port: str) -> str:
    has_port = host.rpartition("]")[2].count(":") == 1 or (":" in host and not host.startswith("["))
    is_usual = port in ("", "80", "443") or not port.isdecimal() or len(port) > 5
    return host if has_port or is_usual else f"{host}:{port}"


def _request_id(headers: Headers) -> str:
    for name in _REQUEST_ID_HEADERS:
        if value := headers.get(name, ""):
            root = _AMAZON_ROOT.search(value)
            return root[1] if root else value
    return ""


def _as_called(scope: Scope, origin: Origin) -> Scope:
    headers = [pair for pair in scope["headers"] if pair[0] not in FORWARDING_HEADERS]
    is_forwarded = len(headers) < len(scope["headers"])
    if origin.host:
        headers = [pair for pair in headers if pair[0] != b"host"] + [(b"host", origin.host.encode())]
    if origin.request_id and not any(name == b"x-request-id" for name, _ in headers):
        headers.append((b"x-request-id", origin.request_id.encode("latin-1", "replace")))
    shown = str(origin.client or "")
    state = {**scope.get("state", {}), "client": shown, "is_forwarded": is_forwarded}
    port = scope["client"][1] if scope.get("client") and str(scope["client"][0]) == shown else 0
    client = (shown, port) if shown else scope.get("client")
    return {
        **scope,
        "headers": headers,
        "client": client,
        "scheme": origin.proto or scope.get("scheme", "http"),
        "state": state,
    }
