"""Prefect away or busy, and who may know of Prefect at all."""

import asyncio
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import api as api_package
from api.gateway import open_gateway
from data.domain.errors import OrchestratorUnavailableError


@pytest.fixture
def busy_prefect() -> Iterator[tuple[str, list[int]]]:
    """A server that answers as Prefect does while its database is locked: 503 as often as the list says, then 200."""
    refusals: list[int] = []

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = refusals.pop() if refusals else 200
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api", refusals
        server.shutdown()


async def ping(api_url: str) -> None:
    async with open_gateway(api_url, crash_attempts=1) as gateway:
        await gateway.ping()


def test_a_prefect_that_is_busy_for_a_moment_is_asked_again(busy_prefect: tuple[str, list[int]]) -> None:
    api_url, refusals = busy_prefect
    refusals += [503, 502]

    asyncio.run(ping(api_url))

    assert refusals == []


def test_a_prefect_that_stays_busy_is_away(busy_prefect: tuple[str, list[int]]) -> None:
    api_url, refusals = busy_prefect
    refusals += [503] * 50

    with pytest.raises(OrchestratorUnavailableError, match="503"):
        asyncio.run(ping(api_url))


def test_nobody_else_in_the_api_imports_prefect() -> None:
    package = Path(api_package.__file__ or "").parent
    others = [path for path in package.rglob("*.py") if not path.is_relative_to(package / "gateway")]

    assert len(others) > 10
    assert [path.name for path in others if re.search(r"^\s*(import|from) prefect", path.read_text(), re.M)] == []
