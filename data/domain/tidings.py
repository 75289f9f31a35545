"""From what happened to the events that tell of it. Pure: the same history gives the same events, always.

There is an event for each state that a job or batch stays in, and none for those on the way to it: ``pausing`` is told
as paused, and ``cancelling`` as cancelled, once it is so. Whoever wants to see the way listens to the job's stream. A
step that is tried again within a job's start is none either: the job has not stopped.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from data.domain.batches import BatchState, ItemState
from data.domain.jobs import REVIEW_REASON, JobState
from data.domain.model import DomainModel
from data.domain.webhooks import Event, EventType, event_id

_RETRY_REASONS = frozenset({"retry_wait", "infrastructure"})
_JOB_TYPES: Mapping[JobState, EventType] = {
    JobState.RUNNING: EventType.JOB_STARTED,
    JobState.PAUSED: EventType.JOB_PAUSED,
    JobState.SUCCEEDED: EventType.JOB_SUCCEEDED,
    JobState.FAILED: EventType.JOB_FAILED,
    JobState.CANCELLED: EventType.JOB_CANCELLED,
}
_BATCH_TYPES: Mapping[BatchState, EventType] = {
    BatchState.RUNNING: EventType.BATCH_STARTED,
    BatchState.PAUSED: EventType.BATCH_PAUSED,
    BatchState.COMPLETED: EventType.BATCH_FINISHED,
    BatchState.STOPPED: EventType.BATCH_FAILED,
    BatchState.REJECTED: EventType.BATCH_FAILED,
    BatchState.CANCELLED: EventType.BATCH_CANCELLED,
}
_ITEM_TYPES: Mapping[ItemState, EventType] = {
    ItemState.SUCCEEDED: EventType.ITEM_SUCCEEDED,
    ItemState.FAILED: EventType.ITEM_FAILED,
    ItemState.SKIPPED: EventType.ITEM_SKIPPED,
    ItemState.REJECTED: EventType.ITEM_REJECTED,
    ItemState.CANCELLED: EventType.ITEM_CANCELLED,
}


class JobMoment(DomainModel):
    """A state that a job came into."""

    state_id: str
    at: datetime
    state: JobState
    reason: str | None
    message: str | None
    attempt: int


class JobStory(DomainModel):
    """A job with all states that it went through, oldest first."""

    job_id: str
    owner: str
    title: str
    metadata: dict[str, Any]
    endpoints: tuple[str, ...]
    """Webhook endpoints that came with it."""
    traceparent: str | None = None
    """Of the request that made it."""
    moments: tuple[JobMoment, ...]


class BatchMove(DomainModel):
    """A state that a batch came into."""

    id: int
    batch_id: str
    name: str
    owner: str
    state: BatchState
    reason: str | None
    previous: BatchState | None
    sequence: int
    moved_at: datetime
    endpoints: tuple[str, ...] = ()
    """Webhook endpoints that came with the batch."""
    traceparent: str | None = None
    """Of what made the batch, as with its rows."""


class ItemEnd(DomainModel):
    """The end that a row of a batch came to."""

    batch_id: str
    row: int
    custom_id: str
    owner: str
    state: ItemState
    reason: str | None
    code: str | None
    attempt: int
    asset_id: str | None
    ended_at: datetime
    endpoints: tuple[str, ...] = ()
    traceparent: str | None = None


def job_events(story: JobStory, links: Mapping[str, str]) -> tuple[Event, ...]:
    """Return the events of a job, oldest first; what is no transition to a person (a late start, say) is none.

    Args:
        story: The job.
        links: Where to go from it.
    """
    events: list[Event] = []
    before: JobMoment | None = None
    told: JobState | None = None
    for moment in story.moments:
        kind = _job_type(before, moment)
        before = moment
        if kind is None:
            continue
        data = {
            "job_id": story.job_id,
            "title": story.title,
            "state": moment.state.value,
            "previous_state": told.value if told else None,
            "reason": moment.reason,
            "message": moment.message if moment.state is JobState.FAILED else None,
            "attempt": moment.attempt,
            "sequence": len(events) + 1,
            "metadata": story.metadata,
            "links": dict(links),
        }
        told = moment.state
        events.append(
            Event(
                id=event_id(story.job_id, moment.state_id),
                type=kind,
                subject=story.job_id,
                owner=story.owner,
                occurred_at=moment.at,
                data=data,
                endpoints=story.endpoints,
                traceparent=story.traceparent,
            )
        )
    return tuple(events)


def batch_event(move: BatchMove, links: Mapping[str, str]) -> Event | None:
    """Return what is told of a batch's move; ``None`` for what only matters inside."""
    kind = _BATCH_TYPES.get(move.state)
    if kind is EventType.BATCH_STARTED and move.previous is BatchState.PAUSED:
        kind = EventType.BATCH_RESUMED
    if kind is None or (move.state is BatchState.RUNNING and move.previous is BatchState.RUNNING):
        return None
    data = {
        "batch_id": move.batch_id,
        "name": move.name,
        "state": move.state.value,
        "previous_state": move.previous.value if move.previous else None,
        "reason": move.reason,
        "sequence": move.sequence,
        "links": dict(links),
    }
    identity = event_id("batch", move.batch_id, move.id)
    return Event(
        id=identity,
        type=kind,
        subject=move.batch_id,
        owner=move.owner,
        occurred_at=move.moved_at,
        data=data,
        endpoints=move.endpoints,
        traceparent=move.traceparent,
    )


def item_event(item: ItemEnd, links: Mapping[str, str]) -> Event:
    """Return what is told of the end of a batch's row."""
    data = {
        "batch_id": item.batch_id,
        "row": item.row,
        "custom_id": item.custom_id,
        "state": item.state.value,
        "reason": item.reason,
        "code": item.code,
        "attempt": item.attempt,
        "asset_id": item.asset_id,
        "links": dict(links),
    }
    return Event(
        id=event_id("item", item.batch_id, item.row, item.attempt, item.state.value),
        type=_ITEM_TYPES[item.state],
        subject=f"{item.batch_id}:{item.row}",
        owner=item.owner,
        occurred_at=item.ended_at,
        data=data,
        endpoints=item.endpoints,
        traceparent=item.traceparent,
    )


def _job_type(before: JobMoment | None, now: JobMoment) -> EventType | None:
    if now.state is JobState.QUEUED:
        return _queued_type(before, now)
    if before is not None and (before.state, before.reason) == (now.state, now.reason):
        return None
    if now.state is JobState.SUCCEEDED and now.reason == REVIEW_REASON:
        return EventType.JOB_IN_REVIEW
    return _JOB_TYPES.get(now.state)


def _queued_type(before: JobMoment | None, now: JobMoment) -> EventType | None:
    if before is None:
        return EventType.JOB_QUEUED
    if now.reason in _RETRY_REASONS:
        is_told = before.state is JobState.QUEUED and before.reason in _RETRY_REASONS
        return None if is_told else EventType.JOB_RETRYING
    if before.state in (JobState.PAUSED, JobState.PAUSING):
        return EventType.JOB_RESUMED
    if before.state is JobState.QUEUED:
        return None  # late, waiting for a slot, given to a worker: it waits, as before
    return EventType.JOB_QUEUED
