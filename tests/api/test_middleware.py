import asyncio
import re
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.middleware import RequestContext


def run(headers: list[tuple[bytes, bytes]], app: Any = None) -> tuple[dict[str, str], list[Message]]:
    sent: list[Message] = []

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"SAMEORIGIN")]})
        for part in (b"a", b"b"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
            assert sent[-1]["body"] == part, "a part was held back"
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "query_string": b""}
    asyncio.run(RequestContext(app or plain)(scope, receive, send))
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}, sent


def test_every_answer_has_an_id_its_time_and_the_security_headers() -> None:
    headers, _ = run([])

    assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])
    assert float(headers["x-response-time-ms"]) >= 0
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_what_the_route_says_itself_stays() -> None:
    assert run([])[0]["x-frame-options"] == "SAMEORIGIN"


def test_a_harmless_request_id_of_the_caller_is_kept() -> None:
    assert run([(b"x-request-id", b"night-2026.01:7")])[0]["x-request-id"] == "night-2026.01:7"


@pytest.mark.parametrize(
    "bad", [b"", b"a b", b"a\tb", b"<script>", b"x" * 129, "ü".encode(), b"-x", b"a\r\nSet-Cookie: b"]
)
def test_another_request_id_is_replaced(bad: bytes) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", run([(b"x-request-id", bad)])[0]["x-request-id"])


def test_parts_of_a_stream_pass_at_once() -> None:
    _, sent = run([])

    assert [message["body"] for message in sent[1:]] == [b"a", b"b", b""]
