"""A refusal is heard, although nobody reads what was sent with it."""

import socket

import httpx

from tests.api.edge.conftest import Serve

HEAD = b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def refusal(url: httpx.URL, length: int, sent: int) -> tuple[bytes, socket.socket]:
    """Say that so much will come, send so much of it, and only then look at the answer, as NGINX does."""
    connection = socket.create_connection((url.host, url.port or 80), timeout=15)
    connection.sendall(HEAD % length)
    connection.recv(1, socket.MSG_PEEK)  # the answer is there by now
    for _ in range(sent // 2**16):
        connection.sendall(bytes(2**16))
    return connection.recv(65536), connection


def test_who_sends_it_all_before_looking_still_hears_why_it_was_refused(serve: Serve) -> None:
    url = httpx.URL(serve(max_body_bytes=2000))

    answer, connection = refusal(url, 2**20, 2**20)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    with connection:
        while answer := connection.recv(65536):
            pass  # the rest of the answer
        assert answer == b"", "the connection ends in order, and is not reset"


def test_who_goes_on_for_ever_is_cut_off(serve: Serve) -> None:
    url = httpx.URL(serve(max_body_bytes=2000))

    answer, connection = refusal(url, 2**40, 0)

    assert answer.startswith(b"HTTP/1.1 413 ")
    with connection:
        is_cut_off, sent = False, 0
        while not is_cut_off and sent < 2**30:
            try:
                sent += connection.send(bytes(2**16))
            except (ConnectionResetError, BrokenPipeError):
                is_cut_off = True
    assert is_cut_off
