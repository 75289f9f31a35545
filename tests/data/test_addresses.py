"""The guard: only public addresses are reached, however they are written, and whatever their names resolve to later."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpcore
import httpx
import pytest

from data.addresses import (
    AsyncGuardedTransport,
    GuardedTransport,
    checked_address,
    is_public,
    public_address,
    resolved_public_address,
)
from data.domain.errors import AddressForbiddenError, AddressUnknownError

PRIVATE_HOSTS = [
    "127.0.0.1", "localhost", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "::1", "::ffff:127.0.0.1", "fe80::1", "fe80::1%1",
    "fc00::1", "fd00:ec2::254", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::", "::7f00:1",
    "fec0::1", "ff02::1", "2001:db8::1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "255.255.255.255",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
def test_private_addresses_are_refused_however_they_are_written(host: str) -> None:
    with pytest.raises(AddressForbiddenError):
        public_address(host, 443)
    with pytest.raises(AddressForbiddenError):
        asyncio.run(resolved_public_address(host, 443, 5))


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
def test_the_text_of_an_address_gives_a_private_host_away(host: str) -> None:
    written = f"[{host.replace('%', '%25')}]" if ":" in host else host

    with pytest.raises(AddressForbiddenError):
        checked_address(f"https://{written}/hook", allow_private_hosts=False)


def test_public_addresses_are_taken() -> None:
    assert public_address("93.184.215.14", 443) == "93.184.215.14"
    assert public_address("2606:2800:21f:cb07:6820:80da:af6b:8b2c", 443).startswith("2606:2800")
    assert is_public("64:ff9b::5db8:d70e")


def test_a_name_that_does_not_resolve_is_told_apart() -> None:
    with pytest.raises(AddressUnknownError):
        public_address("no-such-host.invalid", 443)
    with pytest.raises(AddressUnknownError):
        asyncio.run(resolved_public_address("no-such-host.invalid", 443, 5))


@pytest.mark.parametrize(
    "address",
    [
        "http://receiver.example/hook", "ftp://receiver.example/", "file:///etc/passwd", "//receiver.example/",
        "https://", "https:///hook", "https://user@receiver.example/", "https://user:word@receiver.example/",
        "https://receiver.example@127.0.0.1/", "https://receiver.example:22/", "https://receiver.example:0/",
        "https://receiver.example:99999/", "https://localhost./", "https://db.internal/", "https://printer.local/",
        "https://１２７.0.0.1/", "https://ⓛocalhost/", "https://localhost%2f.example/", "https://exa mple.example/",
        "https://receiver.example/\n", "https://1.2.3/", "https://[::ffff:7f00:1]/",
    ],
)  # fmt: skip
def test_what_is_no_public_address_of_the_web_is_refused(address: str) -> None:
    with pytest.raises(AddressForbiddenError):
        checked_address(address, allow_private_hosts=False)


@pytest.mark.parametrize(
    "address",
    [
        "https://receiver.example/hook?x=1", "https://receiver.example:8443/", "https://bücher.example/",
        "https://93.184.215.14/", "https://a_b.example/",
    ],
)  # fmt: skip
def test_public_addresses_of_the_web_pass(address: str) -> None:
    assert checked_address(address, allow_private_hosts=False).scheme == "https"


def test_a_closed_network_may_allow_its_own_hosts_but_no_passwords() -> None:
    assert checked_address("http://127.0.0.1:9000/hook", allow_private_hosts=True).port == 9000
    with pytest.raises(AddressForbiddenError):
        checked_address("http://user@127.0.0.1/", allow_private_hosts=True)


class Redirecting(BaseHTTPRequestHandler):
    """Sends everybody to a metadata service."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "gopher://169.254.169.254/")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def served() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_redirect_is_checked_like_any_other_address() -> None:
    with (
        served() as url,
        httpx.Client(
            transport=GuardedTransport(allow_private_hosts=True), follow_redirects=True, trust_env=False
        ) as client,
        pytest.raises((AddressForbiddenError, httpx.UnsupportedProtocol)),
    ):
        client.get(url)


@pytest.mark.parametrize("address", ["https://127.0.0.1/", "https://localhost:8443/", "http://93.184.215.14/"])
def test_both_transports_connect_to_nothing_else(address: str) -> None:
    async def ask() -> None:
        transport = AsyncGuardedTransport(allow_private_hosts=False, max_connections=1)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            await client.get(address)

    client = httpx.Client(transport=GuardedTransport(allow_private_hosts=False), trust_env=False)
    with client, pytest.raises(AddressForbiddenError):
        client.get(address)
    with pytest.raises(AddressForbiddenError):
        asyncio.run(ask())


class Rebinding:
    """A resolver whose name is public when it is checked, and this machine ever after."""

    def __init__(self) -> None:
        self.asked = 0
        self.connected: list[str] = []

    def getaddrinfo(self, *_: object, **__: object) -> list[tuple[object, ...]]:
        self.asked += 1
        address = "93.184.215.14" if self.asked == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]

    def create_connection(self, address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        self.connected.append(address[0])
        raise ConnectionRefusedError


def test_a_name_that_is_rebound_is_connected_to_as_it_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Rebinding()
    monkeypatch.setattr(socket, "getaddrinfo", resolver.getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", resolver.create_connection)

    client = httpx.Client(transport=GuardedTransport(allow_private_hosts=False), trust_env=False)
    with client, pytest.raises(httpcore.ConnectError):
        client.get("https://rebound.example/")

    assert (resolver.asked, resolver.connected) == (1, ["93.184.215.14"])


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in ("93.184.215.14", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", both)

    with pytest.raises(AddressForbiddenError):
        public_address("both.example", 443)
