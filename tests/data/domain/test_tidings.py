"""What is told of a history: each transition once, in order, and the same whenever it is told."""

from datetime import UTC, datetime, timedelta

import pytest

from data.domain.batches import BatchState, ItemState
from data.domain.jobs import JobState
from data.domain.tidings import BatchMove, ItemEnd, JobMoment, JobStory, batch_event, item_event, job_events
from data.domain.webhooks import EventType

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)


def story(*states: tuple[JobState, str | None]) -> JobStory:
    moments = tuple(
        JobMoment(
            state_id=f"s{number}",
            at=NOW + timedelta(seconds=number),
            state=state,
            reason=reason,
            message="because",
            attempt=0,
        )
        for number, (state, reason) in enumerate(states)
    )
    return JobStory(job_id="j", owner="o", title="t", metadata={}, endpoints=(), moments=moments)


Q, R, P = JobState.QUEUED, JobState.RUNNING, JobState.PAUSED


@pytest.mark.parametrize(
    ("states", "types"),
    [
        ([(Q, None), (Q, "late"), (Q, None), (R, None), (JobState.SUCCEEDED, None)], "queued started succeeded"),
        ([(Q, None), (R, None), (JobState.SUCCEEDED, "review")], "queued started in_review"),
        # Raised twice in the queue, the second time after a crash.
        (
            [(Q, None), (Q, None), (Q, None), (R, None), (Q, "retry_wait"), (Q, None), (Q, None), (R, None)],
            "queued started retrying started",
        ),
        ([(Q, None), (R, None), (P, None), (Q, None), (Q, None), (R, None)], "queued started paused resumed started"),
        (
            [(Q, None), (R, None), (Q, "infrastructure"), (Q, "retry_wait"), (Q, None), (R, None)],
            "queued started retrying started",
        ),
        ([(Q, None), (R, None), (JobState.FAILED, "X.Y"), (Q, "retry_wait")], "queued started failed retrying"),
        ([(Q, None), (R, None), (JobState.CANCELLING, None), (JobState.CANCELLED, None)], "queued started cancelled"),
        ([(Q, None), (P, None), (JobState.CANCELLED, None)], "queued paused cancelled"),
        ([(Q, None), (R, None), (R, None)], "queued started"),
    ],
)
def test_a_job_is_told_of_by_what_changes_for_a_person(states: list[tuple[JobState, str | None]], types: str) -> None:
    events = job_events(story(*states), {})

    assert [event.type.value for event in events] == [f"job.{each}" for each in types.split()]
    assert [event.data["sequence"] for event in events] == list(range(1, len(events) + 1))


def test_the_same_history_gives_the_same_events_and_a_longer_one_the_same_beginning() -> None:
    short, long = story((Q, None), (R, None)), story((Q, None), (R, None), (JobState.FAILED, "X.Y"))

    assert job_events(short, {}) == job_events(long, {})[:2]
    failed = job_events(long, {})[2]
    assert (failed.data["previous_state"], failed.data["reason"], failed.data["message"]) == (
        "running", "X.Y", "because",
    )  # fmt: skip
    assert job_events(long, {})[1].data["message"] is None


def move(state: BatchState, previous: BatchState | None) -> BatchMove:
    return BatchMove(
        id=3, batch_id="b", name="n", owner="o", state=state, reason=None, previous=previous, sequence=1, moved_at=NOW
    )


@pytest.mark.parametrize(
    ("previous", "state", "expected"),
    [
        (BatchState.PLANNED, BatchState.RUNNING, EventType.BATCH_STARTED),
        (BatchState.PAUSED, BatchState.RUNNING, EventType.BATCH_RESUMED),
        (BatchState.RUNNING, BatchState.RUNNING, None),
        (BatchState.RUNNING, BatchState.PAUSED, EventType.BATCH_PAUSED),
        (BatchState.RUNNING, BatchState.COMPLETED, EventType.BATCH_FINISHED),
        (BatchState.RUNNING, BatchState.STOPPED, EventType.BATCH_FAILED),
        (BatchState.VALIDATING, BatchState.REJECTED, EventType.BATCH_FAILED),
        (BatchState.RUNNING, BatchState.CANCELLED, EventType.BATCH_CANCELLED),
        (None, BatchState.RECEIVED, None),
    ],
)
def test_a_batch_is_told_of_by_its_moves(
    previous: BatchState | None, state: BatchState, expected: EventType | None
) -> None:
    event = batch_event(move(state, previous), {})

    assert (event.type if event else None) == expected


def test_a_row_that_is_tried_again_is_another_event() -> None:
    end = ItemEnd(
        batch_id="b", row=4, custom_id="c", owner="o", state=ItemState.FAILED, reason=None, code="X.Y", attempt=1,
        asset_id=None, ended_at=NOW,
    )  # fmt: skip

    first, second = item_event(end, {}), item_event(end.model_copy(update={"attempt": 2}), {})

    assert (first.type, first.subject) == (EventType.ITEM_FAILED, "b:4")
    assert first.id != second.id
