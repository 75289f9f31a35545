import inspect
from datetime import UTC, datetime, timedelta

import pytest
from prefect import states
from prefect.client.schemas.objects import State, StateType

from data.domain.errors import CorruptInputError
from data.domain.jobs import (
    ALLOWED_MOVES,
    REVIEW_STATE,
    STEP_WEIGHTS,
    TERMINAL_STATES,
    JobMove,
    JobState,
    StateView,
    batch_of,
    batch_tag,
    error_code,
    job_state,
    place_in_queue,
    priority_of,
    step_weights,
)

EXPECTED = {
    "Scheduled": ("queued", None),
    "Pending": ("queued", None),
    "Submitting": ("queued", None),
    "InfrastructurePending": ("queued", None),
    "Late": ("queued", "late"),
    "AwaitingConcurrencySlot": ("queued", "waiting_for_slot"),
    "AwaitingRetry": ("queued", "retry_wait"),
    "Running": ("running", None),
    "Retrying": ("running", None),
    "Paused": ("paused", None),
    "Suspended": ("paused", None),
    "Cancelling": ("cancelling", None),
    "Cancelled": ("cancelled", None),
    "Completed": ("succeeded", None),
    "Failed": ("failed", "INFRA.UNKNOWN"),
    "Crashed": ("failed", "infrastructure"),
}
"""Job state and reason of every state that Prefect makes, without a message and without attempts left."""


def makers() -> dict[str, State]:
    """One state of every kind that ``prefect.states`` can make, by the maker's name."""
    found = {name: make for name, make in vars(states).items() if inspect.isfunction(make) and name[0].isupper()}
    return {name: make() for name, make in found.items() if make.__module__ == states.__name__}


def test_the_table_knows_every_state_that_prefect_makes() -> None:
    assert set(makers()) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_state_of_prefect_has_a_job_state(name: str) -> None:
    state = makers()[name]

    view = job_state(state.type.value, state.name, None, attempts_remain=False)

    assert (view.state.value, view.reason) == EXPECTED[name]


@pytest.mark.parametrize("state_type", list(StateType))
@pytest.mark.parametrize("name", [None, "", "A name of the user's own", "Resuming", "NotReady", "Cached"])
def test_every_type_has_a_job_state_whatever_its_name(state_type: StateType, name: str | None) -> None:
    view = job_state(state_type.value, name, None, attempts_remain=False)

    assert view.state in JobState


def test_a_time_limit_is_told_apart_from_a_failure() -> None:
    view = job_state("FAILED", "TimedOut", "Flow run exceeded timeout", attempts_remain=False)

    assert (view.state, view.reason) == (JobState.FAILED, "time_limit")


def test_a_crashed_run_waits_in_the_queue_while_attempts_remain() -> None:
    again = job_state("CRASHED", "Crashed", None, attempts_remain=True)
    final = job_state("CRASHED", "Crashed", None, attempts_remain=False)

    assert (again.state, again.reason) == (JobState.QUEUED, "infrastructure")
    assert (final.state, final.reason) == (JobState.FAILED, "infrastructure")


def test_a_run_without_a_state_is_queued() -> None:
    assert job_state(None, None, None, attempts_remain=False).state is JobState.QUEUED


def test_a_failure_shows_the_code_of_its_error() -> None:
    message = f"Flow run encountered an exception: CorruptInputError: {CorruptInputError('Frame 3 is broken.')}"

    assert job_state("FAILED", "Failed", message, attempts_remain=False).reason == "DATA.INPUT.CORRUPT"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (None, None),
        ("", None),
        ("nothing", None),
        ("[DATA.INPUT.TOO_LARGE] x", "DATA.INPUT.TOO_LARGE"),
        ("[not a code] x", None),
        ("[WORD] x", None),
        ("] [", None),
        ("[DATA.] x", None),
    ],
)
def test_only_a_dotted_code_is_taken_for_one(message: str | None, code: str | None) -> None:
    assert error_code(message) == code


def test_every_state_says_which_moves_it_allows() -> None:
    assert set(ALLOWED_MOVES) == set(JobState)
    assert {move for moves in ALLOWED_MOVES.values() for move in moves} == set(JobMove)


def test_what_has_ended_cannot_be_cancelled_and_what_runs_cannot_be_deleted() -> None:
    for state, moves in ALLOWED_MOVES.items():
        assert (JobMove.DELETE in moves) == (state in TERMINAL_STATES)
        if state in TERMINAL_STATES:
            assert JobMove.CANCEL not in moves


def test_the_weights_of_the_steps_make_a_whole() -> None:
    assert list(STEP_WEIGHTS) == ["ingest", "transcode", "generate", "publish"]
    assert sum(STEP_WEIGHTS.values()) == pytest.approx(1)
    assert step_weights() == pytest.approx(STEP_WEIGHTS)


@pytest.mark.parametrize(
    ("begun", "order"),
    [
        ({"make"}, ["make", "transcode", "generate", "publish"]),
        ({"prepare", "publish"}, ["ingest", "prepare", "transcode", "generate", "publish"]),
        ({"make", "prepare"}, ["make", "prepare", "transcode", "generate", "publish"]),
    ],
)
def test_jobs_that_begin_otherwise_weigh_their_own_steps(begun: set[str], order: list[str]) -> None:
    weights = step_weights(begun)

    assert list(weights) == order
    assert sum(weights.values()) == pytest.approx(1)


def test_a_run_says_by_its_tags_which_batch_it_belongs_to() -> None:
    assert batch_of(["dailies-job", batch_tag("b-1")]) == "b-1"
    assert batch_of(["dailies-batch"]) is None


def test_a_job_whose_version_waits_for_a_person_has_succeeded_with_that_reason() -> None:
    assert job_state("COMPLETED", REVIEW_STATE, None, attempts_remain=False) == StateView(
        state=JobState.SUCCEEDED, reason="review"
    )


def test_a_priority_that_was_given_later_counts() -> None:
    assert priority_of({}, "low") == "low"
    assert priority_of({"dailies.priority": "high"}, "low") == "high"
    assert priority_of({}, None) == ""


def test_a_queue_hands_out_by_priority_and_then_as_runs_were_due() -> None:
    due, now = datetime(2026, 3, 2, 20, 0, tzinfo=UTC), datetime(2026, 3, 2, 21, 0, tzinfo=UTC)
    later = due + timedelta(minutes=5)

    order = [
        place_in_queue(due, "low", "high", now),
        place_in_queue(later, "low", "high", now),
        place_in_queue(due, "low", "default", now),
        place_in_queue(due, "low", "low", now),
        place_in_queue(later, "low", "low", now),
    ]

    assert order == sorted(order)
    assert len(set(order)) == 5
    assert place_in_queue(due, "low", "low", now) == place_in_queue(due, "night", "default", now) == due
    assert place_in_queue(due, "default", "low", now) == place_in_queue(due, "night", "low", now) == now
