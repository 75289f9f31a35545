import asyncio
import gzip
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.edge.bodies import RequestBodies
from api.errors import RefusedWhileReading
from data.settings import ApiSettings
from tests.api.edge.conftest import Serve

JSON = {"Content-Type": "application/json"}


def test_a_body_that_says_it_is_too_long_is_not_read(serve: Serve) -> None:
    answer = httpx.post(f"{serve(max_body_bytes=2000)}/api/v1/jobs", content=b" " * 3000, headers=JSON)

    assert answer.status_code == 413
    assert answer.json()["facts"] == {"max_bytes": 2000}
    assert answer.headers["Connection"] == "close"


def test_a_body_that_turns_out_too_long_is_refused(serve: Serve) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(50):
            yield b" " * 1000

    answer = httpx.post(f"{serve(max_body_bytes=2000)}/api/v1/jobs", content=parts(), headers=JSON)

    assert answer.status_code == 413
    assert answer.json()["code"] == "DATA.INPUT.TOO_LARGE"


def test_a_form_is_no_way_around_the_limit(serve: Serve) -> None:
    address = serve(max_body_bytes=2000)

    answer = httpx.post(f"{address}/api/v1/jobs", files={"file": b"a" * 3000})

    assert answer.status_code == 413


def test_an_upload_has_a_limit_of_its_own(serve: Serve) -> None:
    address = serve(max_body_bytes=2000, max_upload_bytes=400_000)

    assert httpx.post(f"{address}/api/v1/uploads", files={"file": b"a" * 3000}).status_code == 201
    assert httpx.post(f"{address}/api/v1/uploads", files={"file": b"a" * 600_000}).status_code == 413


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/uploads", "/api/v1/batches"])
def test_compressed_bodies_are_not_taken(serve: Serve, path: str) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    answer = httpx.post(f"{serve()}{path}", content=bomb, headers={**JSON, "Content-Encoding": "gzip"})

    assert answer.status_code == 415
    assert answer.headers["Accept-Encoding"] == "identity"
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_client_that_falls_silent_in_a_body_is_let_go(serve: Serve) -> None:
    url = httpx.URL(serve(body_idle_seconds=0.3))
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        connection.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        connection.sendall(b"Content-Length: 500\r\n\r\n{")

        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_comes_too_slowly_is_given_up() -> None:
    refusals: list[RefusedWhileReading] = []

    async def drip() -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def reading(scope: Any, receive: Any, send: Any) -> None:
        try:
            for _ in range(100):
                await receive()
        except RefusedWhileReading as refused:
            refusals.append(refused)

    async def unused(*_: Any) -> None:
        raise AssertionError

    scope = {"type": "http", "path": "/api/v1/jobs", "headers": []}
    bodies = RequestBodies(reading, ApiSettings(min_body_bytes_per_second=1000), grace_seconds=0.05)
    asyncio.run(bodies(scope, drip, unused))

    assert refusals[0].error.http_status == 408


def test_who_waits_for_a_client_to_leave_may_wait_long() -> None:
    pauses = iter([0.01, 0.5])

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(next(pauses))
        return {"type": "http.request", "body": b"", "more_body": False}

    async def streaming(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()

    async def unused(*_: Any) -> None:
        raise AssertionError

    scope = {"type": "http", "path": "/x", "headers": []}
    asyncio.run(RequestBodies(streaming, ApiSettings(body_idle_seconds=0.25))(scope, receive, unused))


@pytest.mark.parametrize(
    "body",
    [
        '{"source": "/a\\u0000b"}',
        '{"source": "upload:1", "metadata": {"a": "\\ud800"}}',
        '{"source": "upload:1", "metadata": {"\\u0000": 1}}',
        '{"source": "upload:1", "metadata": {"a": 1e999}}',
        '{"source": "upload:1", "metadata": {"a": NaN}}',
        '{"source": "upload:1", "overrides": {"a": 123456789012345678901234567890}}',
    ],
)
def test_what_json_can_say_and_no_database_keeps_is_refused(serve: Serve, body: str) -> None:
    answer = httpx.post(f"{serve()}/api/v1/jobs", content=body, headers=JSON)

    assert answer.status_code == 422, answer.text


def test_a_body_nested_without_end_is_refused(serve: Serve) -> None:
    answer = httpx.post(f"{serve()}/api/v1/jobs", content="[" * 100_000, headers=JSON)

    assert answer.status_code in (400, 422)
