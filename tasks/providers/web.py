"""The web as sources come from it: an HTTP client that reaches public addresses only.

Every connection (redirects included) resolves the name itself, refuses private, loopback, link-local and reserved
addresses, and connects to the very address it checked, so that a name that changes its mind between check and use (DNS
rebinding) gains nothing.
"""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx

from data.domain.errors import SourceForbiddenError, SourceUnavailableError

_MAX_REDIRECTS = 5
UNREACHABLE = (httpx.HTTPError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)
"""What the client raises when a host does not answer, or breaks off."""
UNFIT = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects)
"""What it raises for addresses that no retry makes better; to be caught before :data:`UNREACHABLE`."""


def public_client(*, allow_private_hosts: bool, timeout_seconds: float) -> httpx.Client:
    """Return a client that reaches public ``https://`` addresses only.

    Args:
        allow_private_hosts: Reach ``http://`` and private addresses too (tests, closed networks).
        timeout_seconds: Longest silence.
    """
    return httpx.Client(
        transport=_PublicTransport(allow_private_hosts),
        follow_redirects=True,
        max_redirects=_MAX_REDIRECTS,
        timeout=timeout_seconds,
        trust_env=False,  # a proxy would resolve names behind our back
        headers={"user-agent": "dailies-ingest", "accept-encoding": "identity"},
    )


class _PublicTransport(httpx.BaseTransport):
    """An httpx transport whose connections go to public addresses only."""

    def __init__(self, allow_private_hosts: bool) -> None:
        self._schemes = ("https", "http") if allow_private_hosts else ("https",)
        backend = httpcore.SyncBackend() if allow_private_hosts else _PublicBackend()
        self._pool = httpcore.ConnectionPool(network_backend=backend, ssl_context=httpx.create_ssl_context())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme not in self._schemes:
            raise SourceForbiddenError(
                f"Only {' or '.join(self._schemes)} addresses are fetched, not {request.url}.",
                {"source": str(request.url)},
            )
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        answer = self._pool.handle_request(
            httpcore.Request(method=request.method, url=url, headers=request.headers.raw, extensions=request.extensions)
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    """The body of an answer, in httpx's terms."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _PublicBackend(httpcore.SyncBackend):
    """Connects to the address it has checked, never resolving the name twice."""

    def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return super().connect_tcp(public_address(host, port), port, *args, **kwargs)


def public_address(host: str, port: int) -> str:
    """Resolve a host name and return one address of it, provided that all of them are public.

    Raises:
        SourceForbiddenError: An address is private, loopback, link-local, multicast or otherwise reserved.
        SourceUnavailableError: The name does not resolve.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SourceUnavailableError(f"The host {host} does not resolve: {error}.", {"host": host}) from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not _is_public(address):
            raise SourceForbiddenError(f"The host {host} has the private address {address}.", {"host": host})
    return addresses[0]


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # Addresses that carry an IPv4 one inside are as private as that one.
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return _is_public(str(inner))
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            return _is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast
