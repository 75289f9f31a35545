from datetime import UTC, datetime
from typing import Any

import pytest

from data.domain.jobs import JobState
from deployments.demo_job import Course, JobSnapshot

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def snapshot(state: str, reason: str | None = None, **steps: float) -> JobSnapshot:
    body: dict[str, Any] = {
        "id": "j1",
        "state": state,
        "reason": reason,
        "progress": 0.5,
        "steps": [{"name": name, "progress": share} for name, share in steps.items()],
        "links": {"prefect": "http://127.0.0.1:4200/runs/flow-run/j1", "watch": None},
    }
    return JobSnapshot.of(body)


def test_a_snapshot_reads_what_the_api_answers() -> None:
    seen = snapshot("running", ingest=1.0, transcode=0.25)

    assert seen.state is JobState.RUNNING
    assert seen.steps == {"ingest": 1.0, "transcode": 0.25}
    assert seen.links == {"prefect": "http://127.0.0.1:4200/runs/flow-run/j1"}
    assert not seen.is_over


def test_each_state_is_noted_once() -> None:
    course = Course()
    for at, one in enumerate(
        [
            snapshot("queued"),
            snapshot("queued", "late"),
            snapshot("running"),
            snapshot("running", ingest=0.5),
            snapshot("succeeded"),
        ]
    ):
        course.record(one, float(at), NOW)

    assert [(seen["state"], seen["reason"]) for seen in course.states] == [
        ("queued", None),
        ("queued", "late"),
        ("running", None),
        ("succeeded", None),
    ]


def test_a_step_lasts_until_the_next_begins_or_the_job_ends() -> None:
    course = Course()
    course.record(snapshot("running", ingest=0.1), 10.0, NOW)
    course.record(snapshot("running", ingest=1, transcode=0.1), 12.5, NOW)
    course.record(snapshot("running", ingest=1, transcode=1, generate=0), 20.0, NOW)
    course.record(snapshot("succeeded", ingest=1, transcode=1, generate=1, publish=1), 23.0, NOW)

    assert course.seconds_by_step() == pytest.approx({"ingest": 2.5, "transcode": 7.5, "generate": 3.0, "publish": 0.0})
