from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from data.domain.batches import Batch, BatchOptions, BatchReason, BatchState, BatchWish, ItemCounts, ItemState
from data.domain.windows import AtEnd, NightWindow
from tasks.bulk.feeding import Course, Decision, Situation, decide, runs_to_make

NIGHT = datetime(2026, 1, 2, 23, 0, tzinfo=UTC)
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
GOING = ItemCounts(rows=100, pending=50, running=10, succeeded=40)
DRAINING = ItemCounts(rows=100, running=10, succeeded=90)
OVER = ItemCounts(rows=100, succeeded=80, failed=10, cancelled=10)


def batch(**fields: Any) -> Batch:
    options = fields.pop("options", {})
    defaults = {
        "id": "b",
        "name": "Monday",
        "manifest_uri": "/m.csv",
        "options": BatchOptions(**options),
        "state": BatchState.RUNNING,
        "rows": 100,
        "created_at": NOON,
        "started_at": NOON,
    }
    return Batch(**{**defaults, **fields})


def window(at_end: AtEnd) -> NightWindow:
    return NightWindow(opens=time(22), closes=time(6), at_end=at_end)


def decided(of: Batch, counts: ItemCounts = GOING, now: datetime = NOON, **seen: Any) -> Decision:
    return decide(Situation(of, counts, now, **seen))


def outcome(decision: Decision) -> tuple[Course, BatchState, BatchReason | None]:
    return decision.course, decision.state, decision.reason


def test_a_batch_is_fed_until_everything_has_ended() -> None:
    assert outcome(decided(batch())) == (Course.FEED, BatchState.RUNNING, None)
    assert outcome(decided(batch(), DRAINING)) == (Course.FEED, BatchState.RUNNING, None)
    assert outcome(decided(batch(), OVER)) == (Course.END, BatchState.COMPLETED, None)


def test_a_pause_holds_and_lets_what_is_in_flight_end() -> None:
    paused = batch(wish=BatchWish.PAUSE)

    assert outcome(decided(paused)) == (Course.HOLD, BatchState.PAUSED, BatchReason.REQUEST)
    assert outcome(decided(paused, OVER)) == (Course.END, BatchState.COMPLETED, None)


def test_a_cancel_ends_as_cancelled_once_nothing_is_in_flight() -> None:
    cancelled = batch(wish=BatchWish.CANCEL, state=BatchState.PAUSED)

    assert decided(cancelled).course is Course.CANCEL
    assert decided(cancelled, DRAINING).course is Course.CANCEL
    assert outcome(decided(cancelled, OVER)) == (Course.END, BatchState.CANCELLED, BatchReason.REQUEST)


def test_too_many_failures_drain_and_end_as_stopped() -> None:
    counts = ItemCounts(rows=100, pending=50, running=2, succeeded=10, failed=38)

    decision = decided(batch(), counts)

    assert outcome(decision) == (Course.DRAIN, BatchState.RUNNING, BatchReason.FAILURE_BUDGET)
    assert "38 of 48" in decision.message


def test_a_stop_once_decided_stays_decided_though_its_grounds_are_gone() -> None:
    stopping = batch(reason=BatchReason.COST_BUDGET, message="9 spent.")

    assert outcome(decided(stopping)) == (Course.DRAIN, BatchState.RUNNING, BatchReason.COST_BUDGET)
    assert outcome(decided(stopping, OVER)) == (Course.END, BatchState.STOPPED, BatchReason.COST_BUDGET)
    assert decided(stopping, OVER).message == "9 spent."


def test_a_batch_that_spent_its_money_on_its_last_items_has_completed() -> None:
    spent = batch(spent=10.0, options={"max_cost": 5.0})

    assert decided(spent).reason is BatchReason.COST_BUDGET
    assert outcome(decided(spent, OVER)) == (Course.END, BatchState.COMPLETED, None)


def test_one_failure_that_repeats_stops() -> None:
    repeating = batch(options={"failure_budget": {"same_code": 2}})

    decision = decided(repeating, latest=[(ItemState.FAILED, "DATA.INPUT.CORRUPT")] * 2)

    assert decision.reason is BatchReason.REPEATED_FAILURE


@pytest.mark.parametrize("at_end", list(AtEnd))
def test_before_its_window_opens_a_batch_waits(at_end: AtEnd) -> None:
    waiting = batch(state=BatchState.PLANNED, started_at=None, options={"window": window(at_end)})

    assert outcome(decided(waiting)) == (Course.HOLD, BatchState.PAUSED, BatchReason.NIGHT_WINDOW)
    assert "2026-01-02 22:00" in decided(waiting).message
    assert decided(waiting, now=NIGHT).course is Course.FEED


def test_after_its_window_has_closed_a_batch_finishes_pauses_or_sheds() -> None:
    finish, pause, shed = (batch(options={"window": window(at_end)}) for at_end in AtEnd)

    assert outcome(decided(finish)) == (Course.FEED, BatchState.RUNNING, None)
    assert outcome(decided(pause)) == (Course.HOLD, BatchState.PAUSED, BatchReason.NIGHT_WINDOW)
    assert (decided(shed).course, decided(shed).sheds) == (Course.FEED, True)
    assert not decided(shed, now=NIGHT).sheds


def test_canary_items_go_first_and_alone() -> None:
    careful = batch(options={"canary_items": 10})

    assert decided(careful, ItemCounts(rows=100, pending=100)).most_items == 10
    assert decided(careful, ItemCounts(rows=100, pending=90, running=4, succeeded=5, failed=1)).most_items == 4
    assert decided(careful, ItemCounts(rows=100, pending=90, succeeded=9, failed=1)).most_items is None


@pytest.mark.parametrize(
    ("in_flight", "slots", "share", "runs"),
    [(0, 4, 1, 8), (5, 4, 1, 3), (9, 4, 1, 0), (0, 4, 1 / 3, 2), (0, 1, 1 / 9, 1), (0, 100, 1, 10), (0, 49, 1 / 49, 2)],
)
def test_a_batch_makes_as_many_runs_as_its_share_of_the_slots(
    in_flight: int, slots: int, share: float, runs: int
) -> None:
    assert runs_to_make(batch(), in_flight, slots, share) == runs


def test_an_item_that_is_not_due_keeps_its_batch_going() -> None:
    assert (
        decided(batch(), ItemCounts(rows=100, pending=1, succeeded=99), NOON + timedelta(days=9)).course is Course.FEED
    )
