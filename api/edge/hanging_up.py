"""What a client that is refused still hears, before its connection ends."""

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


class HangingUp:
    """Reads a little more of a body that nobody wants, between its answer and the end of the connection.

    Whoever closes a connection on which something unread lies resets it, and the reset takes the answer with it: NGINX
    then says 502 where we have said 413. The outermost middleware, since anything may refuse.

    Args:
        app: What answers.
        seconds: So long at most; then whoever still sends loses the connection.
        most_bytes: And so much.
    """

    def __init__(self, app: ASGIApp, *, seconds: float = 2.0, most_bytes: int = 8 * 2**20) -> None:
        self._app = app
        self._seconds = seconds
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not any(name in _BODY_HEADERS for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        is_whole = hangs_up = False

        async def noted() -> Message:
            nonlocal is_whole
            message = await receive()
            is_whole = _is_last(message)
            return message

        async def heard(message: Message) -> None:
            nonlocal hangs_up
            if message["type"] == "http.response.start":
                hangs_up = Headers(raw=message.get("headers", [])).get("Connection", "").lower() == "close"
            elif hangs_up and not is_whole and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await self._drain(receive)
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, noted, heard)

    async def _drain(self, receive: Receive) -> None:
        left = self._most_bytes
        with anyio.move_on_after(self._seconds):
            while left > 0:
                message = await receive()
                if _is_last(message):
                    return
                left -= len(message.get("body", b""))


def _is_last(message: Message) -> bool:
    return message["type"] != "http.request" or not message.get("more_body", False)
