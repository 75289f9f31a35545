"""Streams: what happens to a job, as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
import orjson
from fastapi import APIRouter, Header
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.access import allow
from api.dependencies import ServicesDependency
from api.live.feed import Channel, JobFeed
from api.live.place import Place
from api.live.story import has_nothing_more
from api.schemas import Problem
from data.domain.errors import InvalidRequestError
from data.domain.identity import Scope as AccessScope

router = APIRouter(prefix="/jobs", tags=["jobs"])

RECONNECT_MILLISECONDS = 2_000
"""After so long a client that lost its stream comes back."""
SEND_SECONDS = 30.0
"""A client that takes nothing for so long is cut off; it comes back with its `Last-Event-ID`."""
GOODBYE_SECONDS = 2.0
"""How long a stream may take to end when the server stops."""

EVENT: dict[str, Any] = {
    "type": "object",
    "description": "One event of the stream.",
    "properties": {
        "id": {"type": "string", "description": "For `Last-Event-ID`."},
        "event": {"enum": ["state", "progress", "log", "gap", "end", "reconnect"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer", "description": "Milliseconds."},
    },
    "required": ["event", "data"],
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `state`, `progress`, `log`, `gap`, `end`, `reconnect`; their data is JSON.",
        "content": {"text/event-stream": {"schema": EVENT}},
    },
    204: {"description": "Nothing more will come: the job's end was told."},
    404: {"model": Problem},
    503: {"model": Problem, "description": "As many streams are open as may be, or Prefect is away."},
}


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


@router.get(
    "/{job_id}/stream", dependencies=[allow(AccessScope.READ)], response_class=EventSourceResponse, responses=STREAM
)
async def job_stream(
    job_id: str,
    services: ServicesDependency,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=8_192, description="The id of the last event: what follows is told."),
    ] = None,
) -> Response:
    """Follow a job: every `state` it goes through, its `progress`, its `log`, and its `end`, which ends the stream.

    Each event has an id. A client that comes back with the last one (`Last-Event-ID`, as browsers do by themselves)
    gets what it missed, nothing twice; of a very long log `gap` says where to read the rest (`after` of `/logs`).
    """
    channel = await services.feed.join(job_id, services.caller)
    try:
        place = _place(last_event_id)
    except InvalidRequestError:
        services.feed.leave(channel)
        raise
    if has_nothing_more(channel.story, place):
        services.feed.leave(channel)
        return Response(status_code=204)  # a browser takes this as "do not come back"
    return JobEvents(services.feed, channel, place, services.settings.api.stream_heartbeat_seconds)


def _place(last_event_id: str | None) -> Place:
    try:
        return Place.decode(last_event_id) if last_event_id else Place()
    except InvalidRequestError as error:
        raise InvalidRequestError("`Last-Event-ID` is none of ours.", {"field": "Last-Event-ID"}) from error


async def _told(feed: JobFeed, channel: Channel, place: Place, stopping: anyio.Event) -> AsyncIterator[ServerSentEvent]:
    retry: int | None = RECONNECT_MILLISECONDS
    async for event in feed.events(channel, place, stopping):
        yield ServerSentEvent(orjson.dumps(event.data).decode(), event=event.kind, id=event.place.encode(), retry=retry)
        retry = None
