"""Events on their way to a client, as server-sent events; loaded with the first stream, since it loads a web server."""

from collections.abc import AsyncIterator

import anyio
import orjson
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from api.live.feed import Channel, JobFeed
from api.live.place import Place

RECONNECT_MILLISECONDS = 2_000
"""After so long a client that lost its stream comes back."""
SEND_SECONDS = 30.0
"""A client that takes nothing for so long is cut off; it comes back with its `Last-Event-ID`."""
GOODBYE_SECONDS = 2.0
"""How long a stream may take to end when the server stops."""


class JobEvents(EventSourceResponse):
    """A stream that is left however it ends: by the job's end, the client's, or the server's."""

    def __init__(self, feed: JobFeed, channel: Channel, place: Place, heartbeat_seconds: float) -> None:
        stopping = anyio.Event()
        super().__init__(
            _told(feed, channel, place, stopping),
            ping=heartbeat_seconds,
            send_timeout=SEND_SECONDS,
            shutdown_event=stopping,
            shutdown_grace_period=GOODBYE_SECONDS,
        )
        self._feed, self._channel = feed, channel

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.leave(self._channel)


async def _told(feed: JobFeed, channel: Channel, place: Place, stopping: anyio.Event) -> AsyncIterator[ServerSentEvent]:
    retry: int | None = RECONNECT_MILLISECONDS
    async for event in feed.events(channel, place, stopping):
        yield ServerSentEvent(orjson.dumps(event.data).decode(), event=event.kind, id=event.place.encode(), retry=retry)
        retry = None
