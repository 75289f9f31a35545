"""The guard of addresses: what strangers may have us connect to (sources that ingest fetches, webhooks that are told).

Two lines. :func:`checked_address` refuses what the text alone gives away. The transports are the wall: with every
connection (redirects included) they resolve the name themselves, refuse it unless *all* its addresses are public, and
connect to the very address that was checked, while `Host` and TLS keep the name. A name that changes its mind between
check and use (DNS rebinding) gains nothing, and however an address is written, it is the resolved one that counts.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import httpcore
import httpx

from data.domain.errors import AddressForbiddenError, AddressUnknownError

UNREACHABLE = (httpx.HTTPError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)
"""What a client with a guarded transport raises when a host does not answer, or breaks off."""
UNFIT = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects)
"""What it raises for addresses that no retry makes better; to be caught before :data:`UNREACHABLE`."""

_WEB_PORTS = (80, 443)
_FIRST_FREE_PORT = 1024
_HOST = re.compile(rb"[A-Za-z0-9._-]{1,253}\Z")
_INSIDE_NAMES = ("localhost", "local", "internal", "intranet", "home.arpa")
_IPv4, _IPv6 = ipaddress.IPv4Network, ipaddress.IPv6Network
_NEVER = (
    _IPv4("168.63.129.16/32"),  # Azure's wire server: a public address that only means something from inside
    _IPv4("192.0.0.0/24"),  # protocol assignments, Oracle's metadata among them
    _IPv4("192.88.99.0/24"),  # 6to4 relays
    _IPv6("64:ff9b:1::/48"),  # NAT64 of one's own network (RFC 8215)
    _IPv6("3fff::/20"),  # documentation (RFC 9637)
    _IPv6("5f00::/16"),  # segment routing inside a network (RFC 9602)
)
_NAT64 = _IPv6("64:ff9b::/96")


def checked_address(text: str, *, allow_private_hosts: bool) -> httpx.URL:
    """Return an address if its text gives nothing away that speaks against it.

    Args:
        text: As somebody wrote it.
        allow_private_hosts: Take ``http://`` and private hosts too (tests, closed networks).

    Raises:
        AddressForbiddenError: It is no ``https://`` address, carries a user name, or names a host inside a network.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressForbiddenError(f"This is not an address: {error}.") from error
    schemes = ("https", "http") if allow_private_hosts else ("https",)
    if url.scheme not in schemes or not url.raw_host or not text.isprintable() or " " in text:
        raise AddressForbiddenError(f"An address begins with {' or '.join(f'{each}://' for each in schemes)}.")
    if url.userinfo:  # it would end up in logs
        raise AddressForbiddenError("The address may not carry a user name or password.")
    refuse_host(url.raw_host, url.port, allow_private_hosts=allow_private_hosts)
    return url


def refuse_host(raw_host: bytes, port: int | None, *, allow_private_hosts: bool) -> None:
    """Refuse hosts and ports that need no resolver to be seen through.

    Raises:
        AddressForbiddenError: The host is written in no usual way, or is private; or the port is another service's.
    """
    host = raw_host.decode("ascii").rstrip(".").lower()
    if port is not None and not 0 < port < 2**16:
        raise AddressForbiddenError(f"There is no port {port}.")
    if allow_private_hosts:
        return
    if port is not None and port < _FIRST_FREE_PORT and port not in _WEB_PORTS:
        raise AddressForbiddenError(f"The port {port} is not one of the web.", {"port": port})
    if (literal := _literal(host)) is not None:
        _refuse_private(host, [literal])
    elif not _HOST.match(raw_host) or host.split(".")[-1].isdigit() or _inet_aton(host):
        raise AddressForbiddenError(f"The host {host!r} is not written as hosts are.", {"host": host})
    elif host.endswith(tuple(f".{name}" for name in _INSIDE_NAMES)) or host in _INSIDE_NAMES:
        raise AddressForbiddenError(f"The host {host} is inside a network.", {"host": host})


def is_public(address: str) -> bool:
    """Say whether an address is one of the public internet; one that carries another inside is as public as that."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in _NEVER if network.version == ip.version):
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local or ip.is_reserved:  # `::/8` holds IPv4 in the old way: ::127.0.0.1
            return False
    return ip.is_global and not ip.is_multicast


def public_address(host: str, port: int) -> str:
    """Resolve a host name and return one address of it, provided that all of them are public.

    Raises:
        AddressForbiddenError: An address is private, loopback, link-local, multicast or otherwise reserved.
        AddressUnknownError: The name does not resolve.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise _unknown(host, error) from error
    return _refuse_private(host, [str(entry[4][0]) for entry in found])


async def resolved_public_address(host: str, port: int, timeout_seconds: float | None) -> str:
    """Do as :func:`public_address`, without holding up other work.

    Raises:
        AddressForbiddenError: An address is not public.
        AddressUnknownError: The name does not resolve in time.
    """
    looking = asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.wait_for(looking, timeout_seconds)
    except OSError as error:  # a TimeoutError is one
        raise _unknown(host, error) from error
    return _refuse_private(host, [str(entry[4][0]) for entry in found])


class GuardedTransport(httpx.BaseTransport):
    """An httpx transport whose connections go to public addresses only.

    Args:
        allow_private_hosts: Reach ``http://`` and private addresses too.
    """

    def __init__(self, *, allow_private_hosts: bool) -> None:
        self._allow_private_hosts = allow_private_hosts
        backend = httpcore.SyncBackend() if allow_private_hosts else _PublicBackend()
        self._pool = httpcore.ConnectionPool(network_backend=backend, ssl_context=httpx.create_ssl_context())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; a redirect is a request of its own, and checked as one.

        Raises:
            AddressForbiddenError: Its address is not one to connect to.
            AddressUnknownError: Its host's name does not resolve.
        """
        answer = self._pool.handle_request(_passed_on(request, allow_private_hosts=self._allow_private_hosts))
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class AsyncGuardedTransport(httpx.AsyncBaseTransport):
    """The same for many requests at once.

    Args:
        allow_private_hosts: Reach ``http://`` and private addresses too.
        max_connections: Most connections at once.
    """

    def __init__(self, *, allow_private_hosts: bool, max_connections: int) -> None:
        self._allow_private_hosts = allow_private_hosts
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=httpcore.AnyIOBackend() if allow_private_hosts else _AsyncPublicBackend(),
            ssl_context=httpx.create_ssl_context(),
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=30,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            AddressForbiddenError: Its address is not one to connect to.
            AddressUnknownError: Its host's name does not resolve.
        """
        passed_on = _passed_on(request, allow_private_hosts=self._allow_private_hosts)
        answer = await self._pool.handle_async_request(passed_on)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_AsyncBody(answer), extensions=answer.extensions
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


class _PublicBackend(httpcore.SyncBackend):
    """Connects to the address it has checked, never resolving the name twice."""

    def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return super().connect_tcp(public_address(host, port), port, *args, **kwargs)


class _AsyncPublicBackend(httpcore.AnyIOBackend):
    """The same for many connections at once."""

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> httpcore.AsyncNetworkStream:
        address = await resolved_public_address(host, port, timeout)
        return await super().connect_tcp(address, port, timeout, *args, **kwargs)


class _Body(httpx.SyncByteStream):
    """The body of an answer, in httpx's terms."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _AsyncBody(httpx.AsyncByteStream):
    """The same for many answers at once."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._answer.aiter_stream():
            yield piece

    async def aclose(self) -> None:
        await self._answer.aclose()


def _passed_on(request: httpx.Request, *, allow_private_hosts: bool) -> httpcore.Request:
    url = request.url
    schemes = ("https", "http") if allow_private_hosts else ("https",)
    if url.scheme not in schemes:
        raise AddressForbiddenError(
            f"Only {' or '.join(schemes)} addresses are reached, not {url}.", {"address": str(url)}
        )
    refuse_host(url.raw_host, url.port, allow_private_hosts=allow_private_hosts)
    target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    return httpcore.Request(
        method=request.method,
        url=target,
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


def _refuse_private(host: str, addresses: Iterable[str]) -> str:
    """Return the first of the addresses; all have to be public, since each may be taken another time."""
    found = list(addresses)
    for address in found:
        if not is_public(address):
            raise AddressForbiddenError(f"The host {host} has the private address {address}.", {"host": host})
    return found[0]


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def _inet_aton(host: str) -> bool:
    """Say whether the C library takes it for an address: 2130706433, 0x7f.1, 0177.0.0.1."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def _unknown(host: str, error: OSError) -> AddressUnknownError:
    return AddressUnknownError(f"The host {host} does not resolve: {error}.", {"host": host})
