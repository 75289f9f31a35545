"""What servers of generations have in common when they are at their worst: a real HTTP server that fails as it is told.

A fault is told for the next request that is handed in (or the next download) and used up by it.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any, Self

from aiohttp import web

KEY = "sk-very-secret-0123456789"
"""The key that lets a client in."""
PATIENCE_SECONDS = 7


class Fault(Enum):
    """What happens to a request that is handed in."""

    BUSY = auto()
    DOWN = auto()
    """503 in the provider's own words: it takes nothing."""
    PROXY_ERROR = auto()
    """502 with a page of HTML: something between us and the provider."""
    SERVER_ERROR = auto()
    """500, after the request was accepted."""
    UNAUTHORISED = auto()
    """401, and the key is repeated in the message."""
    REDIRECT = auto()
    REFUSED = auto()
    """Forbidden by its policy."""
    REJECTED = auto()
    """A parameter is none of its own."""
    LOST_BEFORE = auto()
    """The connection breaks, and the request was not accepted."""
    LOST_AFTER = auto()
    """The connection breaks, and the request was accepted."""
    SILENCE = auto()
    """Accepted, and then no answer for longer than anybody waits."""
    NONSENSE = auto()
    """Accepted, and the answer is not JSON."""
    NO_ID = auto()
    """Accepted, and the answer is JSON without an id."""


AFTER_ACCEPTANCE = frozenset({Fault.SERVER_ERROR, Fault.LOST_AFTER, Fault.SILENCE, Fault.NONSENSE, Fault.NO_ID})


class DownloadFault(Enum):
    """What happens to a download."""

    CUT = auto()
    """The connection breaks half-way."""
    SHORT_FILE = auto()
    """Half of the file, and said to be all of it."""
    PAGE = auto()
    """A page of HTML with status 200."""
    ERROR = auto()
    """500."""


class ProviderServer:
    """A server on a free port of 127.0.0.1, in a thread with a loop of its own; lives for a ``with`` block."""

    def __init__(self, result: bytes) -> None:
        self.result = result
        self.faults: deque[Fault] = deque()
        self.download_faults: deque[DownloadFault] = deque()
        self.accepted: list[str] = []
        """The keys of what was accepted, in order; each costs money."""
        self.downloads = 0
        self.redirect_downloads_to = ""
        self._loop = asyncio.new_event_loop()
        self._silence = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None
        self.url = ""

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve until the block is left."""
        self._thread.start()
        self._do(self._start())
        try:
            yield self
        finally:
            self._do(self._stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def routes(self) -> list[web.RouteDef]:
        """The paths of the protocol."""
        raise NotImplementedError

    async def take(self, request: web.Request, accept: Callable[[], dict[str, Any]], key: str) -> web.StreamResponse:
        """Accept what is handed in, or do what the next fault says."""
        fault = self.faults.popleft() if self.faults else None
        answer: dict[str, Any] = {}
        if fault is None or fault in AFTER_ACCEPTANCE:
            answer = accept()
            self.accepted.append(key)
        match fault:
            case None:
                return web.json_response(answer)
            case Fault.BUSY:
                return self.complain(429, "rate_limit_exceeded", "Slow down.", {"Retry-After": str(PATIENCE_SECONDS)})
            case Fault.DOWN:
                return self.complain(503, "overloaded", "We take nothing at the moment.")
            case Fault.PROXY_ERROR:
                return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
            case Fault.SERVER_ERROR:
                return self.complain(500, "server_error", "The server had an error.")
            case Fault.UNAUTHORISED:
                return self.complain(401, "invalid_api_key", f"Incorrect API key provided: {KEY}.")
            case Fault.REDIRECT:
                return web.Response(status=308, headers={"Location": "http://127.0.0.1:9/elsewhere"})
            case Fault.REFUSED:
                return self.complain(400, "moderation_blocked", "Your request was blocked by our moderation system.")
            case Fault.REJECTED:
                return self.complain(400, "invalid_value", "Invalid value: 'size'.")
            case Fault.NONSENSE:
                return web.Response(text="<html>Thank you</html>", content_type="text/html")
            case Fault.NO_ID:
                return web.json_response({"ok": True})
            case Fault.SILENCE:
                await self._silence.wait()
            case _:
                assert request.transport is not None
                request.transport.abort()
        return web.Response()

    def complain(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
        """Answer with an error in the protocol's own form."""
        body = {"error": {"code": code, "type": "error", "message": message}}
        return web.json_response(body, status=status, headers=headers)

    async def give(self, request: web.Request) -> web.StreamResponse:
        """Give the result, or do what the next fault says."""
        self.downloads += 1
        if self.redirect_downloads_to:
            return web.Response(status=302, headers={"Location": self.redirect_downloads_to})
        match self.download_faults.popleft() if self.download_faults else None:
            case DownloadFault.CUT:
                response = web.StreamResponse(headers={"Content-Length": str(len(self.result))})
                await response.prepare(request)
                await response.write(self.result[: len(self.result) // 2])
                assert request.transport is not None
                request.transport.close()
                return response
            case DownloadFault.SHORT_FILE:
                return web.Response(body=self.result[: len(self.result) // 2])
            case DownloadFault.PAGE:
                return web.Response(text="<html>Not here</html>", content_type="text/html")
            case DownloadFault.ERROR:
                return self.complain(500, "server_error", "The server had an error.")
            case _:
                return web.Response(body=self.result, content_type="video/mp4")

    async def _start(self) -> None:
        app = web.Application(client_max_size=64 * 1024**2, middlewares=[_let_in])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def _stop(self) -> None:
        self._silence.set()
        assert self._runner is not None
        await self._runner.cleanup()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


@web.middleware
async def _let_in(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if request.headers.get("Authorization") != f"Bearer {KEY}":
        return web.json_response({"error": {"code": "invalid_api_key", "message": "No key."}}, status=401)
    return await handler(request)
