"""Streams: what happens to a job, as server-sent events."""

from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.responses import Response

from api.access import allow
from api.dependencies import ServicesDependency
from api.live.place import Place
from api.live.story import has_nothing_more
from api.schemas import Problem
from data.domain.errors import InvalidRequestError
from data.domain.identity import Scope as AccessScope

router = APIRouter(prefix="/jobs", tags=["jobs"])

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


@router.get("/{job_id}/stream", dependencies=[allow(AccessScope.READ)], response_class=Response, responses=STREAM)
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
    from api.live.events import JobEvents

    return JobEvents(services.feed, channel, place, services.settings.api.stream_heartbeat_seconds)


def _place(last_event_id: str | None) -> Place:
    try:
        return Place.decode(last_event_id) if last_event_id else Place()
    except InvalidRequestError as error:
        raise InvalidRequestError("`Last-Event-ID` is none of ours.", {"field": "Last-Event-ID"}) from error
