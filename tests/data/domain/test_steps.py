import pytest

from data.domain.steps import StepStatus


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("transcode", StepStatus(step="transcode")),
        ("transcode (waiting_for_slot)", StepStatus(step="transcode", reason="waiting_for_slot")),
        ("transcode (waiting_for_slot 12)", StepStatus(step="transcode", reason="waiting_for_slot", position=12)),
    ],
)
def test_a_status_and_its_line_say_the_same(line: str, status: StepStatus) -> None:
    assert StepStatus.read(line) == status
    assert status.line() == line


@pytest.mark.parametrize("line", ["", "Copying (part 2 of 3)", "transcode (", "(waiting_for_slot 1) transcode", "a\nb"])
def test_a_line_of_somebody_elses_is_a_step_without_a_reason(line: str) -> None:
    assert StepStatus.read(line) == StepStatus(step=line)
