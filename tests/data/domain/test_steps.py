from datetime import UTC, datetime

import pytest

from data.domain.steps import StepStatus

AT = datetime(2026, 1, 31, 22, 0, 5, tzinfo=UTC)
NEVER = "make (retry_wait until 2026-13-31T22:00:05Z)"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("transcode", StepStatus(step="transcode")),
        ("transcode (waiting_for_slot)", StepStatus(step="transcode", reason="waiting_for_slot")),
        ("transcode (waiting_for_slot 12)", StepStatus(step="transcode", reason="waiting_for_slot", position=12)),
        ("make (retry_wait until 2026-01-31T22:00:05Z)", StepStatus(step="make", reason="retry_wait", until=AT)),
    ],
)
def test_a_status_and_its_line_say_the_same(line: str, status: StepStatus) -> None:
    assert StepStatus.read(line) == status
    assert status.line() == line


@pytest.mark.parametrize(
    "line", ["", "Copying (part 2 of 3)", "transcode (", "(waiting_for_slot 1) transcode", "a\nb", NEVER]
)
def test_a_line_of_somebody_elses_is_a_step_without_a_reason(line: str) -> None:
    assert StepStatus.read(line) == StepStatus(step=line)
