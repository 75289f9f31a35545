from datetime import UTC, datetime, timedelta

from api.progress import StepReport, job_progress
from data.domain.jobs import STEP_WEIGHTS
from data.domain.steps import StepStatus


def reported(step: str, percent: float, order: int) -> StepReport:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=order)
    return StepReport(StepStatus.read(step), percent, at, at + timedelta(seconds=30))


def test_nothing_reported_is_no_progress() -> None:
    progress = job_progress([])

    assert (progress.step, progress.share, progress.steps, progress.last_at) == (None, 0.0, (), None)


def test_steps_count_by_their_weight() -> None:
    progress = job_progress([reported("ingest", 100, 1), reported("transcode", 50, 2)])

    assert progress.step == "transcode"
    assert progress.share == STEP_WEIGHTS["ingest"] + STEP_WEIGHTS["transcode"] / 2


def test_a_step_before_the_current_one_is_done_even_if_it_was_found_in_the_cache() -> None:
    progress = job_progress([reported("publish", 50, 9)])

    assert progress.share == 0.95
    assert [step.progress for step in progress.steps] == [1.0, 1.0, 1.0, 0.5]


def test_a_second_attempt_counts_from_its_own_beginning() -> None:
    reports = [reported("ingest", 100, 1), reported("transcode", 90, 2), reported("transcode", 10, 5)]

    assert job_progress(reversed(reports)).share == 0.05 + 0.06


def test_a_job_that_succeeded_is_whole_whatever_was_reported() -> None:
    progress = job_progress([reported("ingest", 100, 1)], is_done=True)

    assert (progress.step, progress.share, len(progress.steps)) == ("publish", 1.0, 4)


def test_what_the_current_step_waits_for_is_told() -> None:
    waiting = [reported("ingest", 100, 1), reported("transcode (waiting_for_slot 2)", 0, 2)]

    shown = [job_progress(reports) for reports in (waiting, [*waiting, reported("generate", 10, 3)])]

    assert [(each.step, each.reason, each.position) for each in shown] == [
        ("transcode", "waiting_for_slot", 2),
        ("generate", None, None),
    ]


def test_strange_reports_do_no_harm() -> None:
    assert job_progress([reported("coffee", 50, 1)]).share == 0.0
    assert job_progress([reported("ingest", 900, 1)]).share == 0.05
    assert job_progress([reported("ingest", -3, 1)]).share == 0.0


def test_the_weights_of_all_steps_are_one() -> None:
    assert sum(STEP_WEIGHTS.values()) == 1


def test_a_job_that_prepares_shows_that_step_between_ingest_and_transcode() -> None:
    progress = job_progress([reported("ingest", 100, 1), reported("prepare", 50, 2)])

    assert [step.name for step in progress.steps] == ["ingest", "prepare"]
    assert progress.step == "prepare"
    assert STEP_WEIGHTS["ingest"] < progress.share < 0.5
    done = job_progress([reported("ingest", 100, 1), reported("prepare", 100, 2)], is_done=True)
    assert done.share == 1.0
