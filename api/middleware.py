"""What every answer carries: a request id, its time, security headers. Pure ASGI: streams are never buffered."""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import unexpected_problem
from data.domain.jobs import one_line

API_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""JSON, playlists and segments load nothing themselves."""

PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The player page: its own files only, no inline script or style."""

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()",
    "Content-Security-Policy": API_CSP,
}

_SECURITY_HEADERS = tuple((name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items())

STRICT_TRANSPORT = "max-age=31536000"
"""Only where the caller came by HTTPS; without its sub-domains, which may be others' business."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")

logger = logging.getLogger(__name__)


class RequestContext:
    """Gives each request an id and each answer its headers; the last resort for errors that nobody foresaw."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(Headers(scope=scope).get("X-Request-ID", ""))
        scope.setdefault("state", {})["request_id"] = request_id
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                # Time to the first byte: a stream's end is the client's business.
                elapsed = f"{(time.perf_counter() - started) * 1000:.1f}"
                headers = MutableHeaders(scope=message)
                present = {name for name, _ in headers.raw}
                headers.raw.append((b"x-request-id", request_id.encode()))
                headers.raw.append((b"x-response-time-ms", elapsed.encode()))
                headers.raw.extend(pair for pair in _SECURITY_HEADERS if pair[0] not in present)
                if scope.get("scheme") == "https":
                    headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            logger.info("The client went away: %s", _named(scope, request_id))
        except Exception:
            logger.exception("Unexpected error: %s", _named(scope, request_id))
            if has_begun:
                raise  # Too late for another answer: the server must cut the connection, lest it be taken as whole.
            await unexpected_problem(Request(scope))(scope, receive, send_with_headers)


def _named(scope: Scope, request_id: str) -> str:
    path = one_line(scope["path"])  # anything may stand in it, line ends as well
    return f"{scope['method']} {path} (request {request_id})"


def _request_id(offered: str) -> str:
    """Take the caller's id if it is harmless in logs and headers, else make one."""
    return offered if _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex
