"""How much a call may say, and how slowly: sizes, encodings and patience for request bodies.

A body that lies about its length, or sends it twice, is not our matter: the HTTP parser refuses it before.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.edge.refusals import refuse
from api.errors import RefusedWhileReading
from api.links import BASE
from data.domain.errors import DailiesError, EncodedBodyError, InputTooLargeError, RequestTooSlowError
from data.settings import ApiSettings

UPLOADS = f"{BASE}/uploads"
FORMS = frozenset({UPLOADS, f"{BASE}/batches", f"{BASE}/batches/plan"})
"""Where a form may carry a file; the routes have limits of their own for it."""


@dataclass(frozen=True)
class Patience:
    """How slowly a body may come."""

    idle_seconds: float
    min_bytes_per_second: int
    grace_seconds: float
    """Nobody is called slow before so much waiting."""


class RequestBodies:
    """Refuses bodies that are too long (413), compressed (415: bombs are) or too slow (408)."""

    def __init__(self, app: ASGIApp, settings: ApiSettings, *, grace_seconds: float = 10.0) -> None:
        self._app = app
        self._max_bytes = settings.max_body_bytes
        self._patience = Patience(settings.body_idle_seconds, settings.min_body_bytes_per_second, grace_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        max_bytes = None if carries_file(scope["path"], headers.get("Content-Type", "")) else self._max_bytes
        if problem := _problem(headers, max_bytes):
            advice = {"Accept-Encoding": "identity"} if isinstance(problem, EncodedBodyError) else {}
            await refuse(problem, scope, receive, send, advice)
            return
        await self._app(scope, _Reader(receive, max_bytes, self._patience), send)


def carries_file(path: str, content_type: str) -> bool:
    """Say whether the body is a file, whose size its route looks after."""
    if path in FORMS:
        return content_type.lower().startswith("multipart/form-data")
    return path.startswith(f"{UPLOADS}/")


def _problem(headers: Headers, max_bytes: int | None) -> DailiesError | None:
    if headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        return EncodedBodyError("Bodies are taken as they are: send this one without a Content-Encoding.")
    length = headers.get("Content-Length", "")
    if max_bytes is not None and length.isdecimal() and int(length) > max_bytes:
        return _too_large(max_bytes)
    return None


def _too_large(max_bytes: int) -> InputTooLargeError:
    return InputTooLargeError(f"The body is larger than {max_bytes} bytes.", {"max_bytes": max_bytes})


class _Reader:
    """Counts what arrives of one body, and how long it was waited for. Lives as long as the request."""

    def __init__(self, receive: Callable[[], Awaitable[Message]], max_bytes: int | None, patience: Patience) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._patience = patience
        self._is_whole = False
        self._bytes = 0
        self._waited = 0.0

    async def __call__(self) -> Message:
        """Return the next part of the body.

        Raises:
            RefusedWhileReading: It is too long, or comes too slowly.
        """
        if self._is_whole:  # whoever waits now waits for the client to leave, which may take as long as an answer
            return await self._receive()
        message = await self._in_time()
        self._bytes += len(message.get("body", b""))
        self._is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        if self._max_bytes is not None and self._bytes > self._max_bytes:
            raise RefusedWhileReading(_too_large(self._max_bytes))
        return message

    async def _in_time(self) -> Message:
        patience, began = self._patience, time.monotonic()
        try:
            with anyio.fail_after(patience.idle_seconds):
                message = await self._receive()
        except TimeoutError as error:
            raise RefusedWhileReading(
                RequestTooSlowError(f"Nothing of the body arrived for {patience.idle_seconds:g} s.")
            ) from error
        # Only the waiting counts: how long we take to write a part to the disk is not the client's fault.
        self._waited += time.monotonic() - began
        if self._waited > patience.grace_seconds and self._bytes < self._waited * patience.min_bytes_per_second:
            raise RefusedWhileReading(
                RequestTooSlowError(f"The body comes slower than {patience.min_bytes_per_second} bytes a second.")
            )
        return message
