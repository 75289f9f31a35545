"""Raw requests over a socket: what an HTTP client would never send."""

import socket
import time

import httpx
import pytest

from tests.api.edge.conftest import Serve

HEALTH = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n"


def sent(address: str, *parts: bytes) -> bytes:
    """Send parts, and return all that comes back until the server hangs up or says nothing for a while."""
    url = httpx.URL(address)
    with socket.create_connection((url.host, url.port or 80), timeout=5) as connection:
        for part in parts:
            connection.sendall(part)
        return received(connection)


def received(connection: socket.socket) -> bytes:
    came = b""
    try:
        while part := connection.recv(65536):
            came += part
            if b"\r\n\r\n" in came:
                connection.settimeout(0.3)
    except TimeoutError:
        pass
    except ConnectionResetError:
        pass
    return came


def test_an_ordinary_request_is_answered(serve: Serve) -> None:
    assert sent(serve(), HEALTH + b"\r\n").startswith(b"HTTP/1.1 200 ")


def test_too_many_bytes_of_headers_are_refused_as_they_arrive(serve: Serve) -> None:
    address = serve(max_header_bytes=4096)

    assert b" 431 " in sent(address, HEALTH, b"X-Long: " + b"a" * 5000 + b"\r\n\r\n")
    assert b" 431 " in sent(address, b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")


def test_too_many_headers_are_refused(serve: Serve) -> None:
    address = serve(max_headers=20)

    assert b" 431 " in sent(address, HEALTH, b"X-A: b\r\n" * 30 + b"\r\n")
    assert b" 200 " in sent(address, HEALTH, b"X-A: b\r\n" * 10 + b"\r\n")


def test_headers_that_drip_in_run_out_of_time(serve: Serve) -> None:
    url = httpx.URL(serve(header_seconds=0.4))
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        connection.sendall(HEALTH)

        assert received(connection).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_says_nothing_at_all_is_let_go(serve: Serve) -> None:
    assert b" 408 " in sent(serve(header_seconds=0.3))


def test_a_connection_is_good_for_many_requests(serve: Serve) -> None:
    address = serve(header_seconds=0.5)
    with httpx.Client(base_url=address) as client:
        for _ in range(4):
            assert client.get("/api/v1/health").status_code == 200
            time.sleep(0.2)  # the pause of a client, longer in sum than the time for headers


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n",
        b"X-A: b\x00c\r\n",
        b"X A: b\r\n",
        b" folded: x\r\n",
    ],
)
def test_requests_that_two_parsers_could_read_differently_are_refused(serve: Serve, headers: bytes) -> None:
    request = b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + headers
    answer = sent(serve(), request + b"\r\n0\r\n\r\nGET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 4")
    assert b"alive" not in answer, "the rest was taken for another request"


def test_a_line_end_in_a_header_makes_no_second_header(serve: Serve) -> None:
    answer = sent(serve(), HEALTH + b"X-Request-ID: a%0d%0aSet-Cookie: b\r\n\r\n")

    assert b"set-cookie" not in answer.lower()


@pytest.mark.parametrize(
    "path",
    [
        "/console/../../app.py",
        "/console/%2e%2e/%2e%2e/app.py",
        "/console/..%2f..%2fapp.py",
        "/console/%252e%252e/app.py",
        "/console/watch.html",
        "/console//etc/passwd",
        "/console/%00watch.js",
        "/console/..\\..\\app.py",
        "/media/a/1/../../../../etc/passwd",
        "/media/a/1/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/api/v1/assets/%2e%2e%2f%2e%2e",
        "/api/v1/recipes/..%2f..%2fsettings",
        "/api/v1/recipes/%2Fetc%2Fpasswd",
        "/api/v1/jobs/%00",
    ],
)
def test_no_path_leads_out_of_what_is_served(serve: Serve, path: str) -> None:
    answer = sent(serve(), f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    assert answer.split(b" ", 2)[1] in (b"404", b"422")
    assert b"root:" not in answer
