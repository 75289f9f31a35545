from typing import Any

import pytest

from data.domain.batches import BatchItem, BatchOptions, BatchReason, FailureBudget, ItemCounts, ItemState
from data.domain.errors import CorruptInputError, DiskFullError, ToolMissingError
from tasks.bulk.verdicts import (
    UNBEGUN_ATTEMPTS,
    RunFate,
    RunReport,
    Stop,
    is_machines_fault,
    leftover,
    over_budget,
    own_run,
    same_failure,
    too_dear,
)
from tests.data.samples import sample_asset, sample_manifest

FAILED, SUCCEEDED = ItemState.FAILED, ItemState.SUCCEEDED


def item(state: ItemState = ItemState.RUNNING, attempt: int = 1) -> BatchItem:
    return BatchItem(batch_id="b", row=1, custom_id="a", recipe="quick", state=state, attempt=attempt)


def reason(stop: Stop | None) -> BatchReason | None:
    return stop and stop.reason


@pytest.mark.parametrize(
    ("state", "fate", "is_over"),
    [
        ("SCHEDULED", RunFate.WAITING, False),
        ("PENDING", RunFate.WAITING, False),
        ("RUNNING", RunFate.RUNNING, False),
        ("PAUSED", RunFate.RUNNING, False),
        ("CANCELLING", RunFate.RUNNING, False),
        ("COMPLETED", RunFate.COMPLETED, True),
        ("FAILED", RunFate.FAILED, True),
        ("CRASHED", RunFate.LOST, True),
        ("CANCELLED", RunFate.CANCELLED, True),
        (None, RunFate.LOST, True),
    ],
)
def test_every_prefect_state_means_something(state: str | None, fate: RunFate, is_over: bool) -> None:
    assert (RunReport(state).fate, RunReport(state).is_over) == (fate, is_over)


@pytest.mark.parametrize("state", ["CRASHED", "COMPLETED", "FAILED", None])
def test_an_item_that_its_run_left_behind_is_fed_again(state: str | None) -> None:
    assert leftover(item(attempt=2), RunReport(state), attempts=3) is None


def test_an_item_that_was_at_work_each_time_its_run_died_fails_in_the_end() -> None:
    verdict = leftover(item(attempt=3), RunReport("CRASHED", "killed"), attempts=3)

    assert verdict is not None
    assert (verdict.state, verdict.outcome["failure_class"], verdict.outcome["code"]) == (
        FAILED,
        "INFRA",
        "INFRA.PROCESS.LOST",
    )
    assert "killed" in verdict.outcome["message"]


def test_an_item_that_no_run_ever_came_to_is_given_more_attempts() -> None:
    assert leftover(item(ItemState.QUEUED, 3), RunReport("CRASHED"), attempts=3) is None
    assert leftover(item(ItemState.QUEUED, UNBEGUN_ATTEMPTS), RunReport("CRASHED"), attempts=3) is not None


def test_what_a_person_cancels_in_the_ui_is_cancelled() -> None:
    verdict = leftover(item(), RunReport("CANCELLED"), attempts=3)

    assert verdict is not None
    assert (verdict.state, verdict.outcome) == (ItemState.CANCELLED, {"reason": "request"})


def test_a_job_that_completed_succeeds_with_what_is_published() -> None:
    asset = sample_asset()

    verdict = own_run(item(), RunReport("COMPLETED"), asset.id, sample_manifest(asset, version=4), attempts=3)

    assert verdict is not None
    assert (verdict.state, verdict.outcome) == (SUCCEEDED, {"asset_id": asset.id, "version": 4})


def test_a_job_whose_version_waits_for_a_person_succeeds_without_a_version() -> None:
    asset = sample_asset()
    held = sample_manifest(asset).model_copy(update={"held_because": "Moderation scored it 0.91."})

    verdict = own_run(item(), RunReport("COMPLETED"), asset.id, held, attempts=3)

    assert verdict is not None
    assert (verdict.state, verdict.outcome) == (SUCCEEDED, {"asset_id": asset.id, "reason": "review"})


def test_a_job_that_completed_without_a_trace_is_tried_again() -> None:
    assert own_run(item(), RunReport("COMPLETED"), None, None, attempts=3) is None


def test_a_job_s_failure_is_its_item_s() -> None:
    report = RunReport("FAILED", "Flow run encountered an exception: CorruptInputError: [DATA.INPUT.CORRUPT] Cut off.")

    verdict = own_run(item(), report, "asset", None, attempts=3)

    assert verdict is not None
    assert (verdict.state, verdict.outcome["code"], verdict.outcome["message"], verdict.outcome["asset_id"]) == (
        FAILED,
        "DATA.INPUT.CORRUPT",
        "Cut off.",
        "asset",
    )


def test_a_job_that_failed_for_the_machine_s_fault_is_fed_again_while_attempts_remain() -> None:
    report = RunReport("FAILED", "… [INFRA.DISK.FULL] No space.")

    assert own_run(item(attempt=2), report, None, None, attempts=3) is None
    assert own_run(item(attempt=3), report, None, None, attempts=3) is not None


def test_a_job_that_was_cancelled_by_its_own_word_is_no_failure() -> None:
    verdict = own_run(item(), RunReport("FAILED", "[CANCELLED.BY_REQUEST] The AI steps."), None, None, attempts=3)

    assert verdict is not None
    assert verdict.state is ItemState.CANCELLED


def test_only_what_a_retry_can_help_is_fed_again() -> None:
    assert is_machines_fault(DiskFullError("full"))
    assert not is_machines_fault(ToolMissingError("no ffmpeg"))
    assert not is_machines_fault(CorruptInputError("cut"))


@pytest.mark.parametrize(
    ("succeeded", "failed", "infra", "stops"),
    [
        (10, 9, 0, False),  # half of them, but too few to judge
        (10, 10, 0, False),  # the share itself is allowed
        (9, 11, 0, True),
        (9, 11, 2, False),  # the machines' faults do not count, and too few are left
        (20, 30, 15, False),
        (20, 30, 9, True),
    ],
)
def test_the_failure_budget_is_a_share_of_enough_items(succeeded: int, failed: int, infra: int, stops: bool) -> None:
    counts = ItemCounts(rows=100, pending=50, succeeded=succeeded, failed=failed)

    assert (over_budget(BatchOptions(), counts, infra) is not None) == stops


def test_canary_items_are_judged_once_they_have_all_ended() -> None:
    options = BatchOptions(canary_items=4)

    assert over_budget(options, ItemCounts(rows=9, pending=5, running=1, failed=3), 0) is None
    assert reason(over_budget(options, ItemCounts(rows=9, pending=5, failed=3, succeeded=1), 0)) == "canary_failed"
    assert over_budget(options, ItemCounts(rows=9, pending=5, failed=2, succeeded=2), 0) is None
    assert over_budget(options, ItemCounts(rows=9, pending=4, failed=3, succeeded=2), 0) is None


def test_the_budget_holds_after_the_canary_as_well() -> None:
    options = BatchOptions(canary_items=4, failure_budget=FailureBudget(min_items=10))

    assert reason(over_budget(options, ItemCounts(rows=99, pending=5, failed=8, succeeded=4), 0)) == "failure_budget"


def test_the_same_failure_in_a_row_stops() -> None:
    options = BatchOptions(failure_budget=FailureBudget(same_code=3))
    corrupt, empty = (FAILED, "DATA.INPUT.CORRUPT"), (FAILED, "DATA.INPUT.NOT_MEDIA")

    assert reason(same_failure(options, [corrupt] * 3)) == "repeated_failure"
    assert same_failure(options, [corrupt] * 2) is None
    assert same_failure(options, [corrupt, empty, corrupt]) is None
    assert same_failure(options, [corrupt, (SUCCEEDED, None), corrupt]) is None
    assert same_failure(BatchOptions(), [corrupt] * 30) is None


@pytest.mark.parametrize(("cap", "stops"), [(None, False), (0.0, True), (3.0, True), (3.5, False)])
def test_the_cap_counts_what_is_in_flight(cap: float | None, stops: bool) -> None:
    options: dict[str, Any] = {"max_cost": cap}

    assert (too_dear(BatchOptions(**options), spent=2.0, in_flight=1.0) is not None) == stops
