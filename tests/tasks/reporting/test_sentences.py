from datetime import datetime, time, timedelta
from typing import Any

import pytest

from data.domain.batches import Batch, BatchItem, BatchOptions
from data.domain.nights import CanaryOutcome, NightFacts
from data.domain.windows import NightWindow
from tasks.reporting.sentences import (
    against_deadline,
    against_plan,
    canary_sentence,
    clock_of,
    ending,
    equation,
    outcome,
    throughput_sentence,
    tone_of,
)
from tests.fakes.nights import (
    BEGINS,
    WINDOW,
    facts_of,
    failed_item,
    newsroom_facts,
    sample_batch,
    sample_item,
    sample_publications,
)

PUBLISHED = next(iter(sample_publications()))


def items(**states: int) -> list[BatchItem]:
    """So many items of each state, by row; ``unchanged`` and ``duplicate`` are skipped ones."""
    fates = [state for state, count in states.items() for _ in range(count)]
    return [_item(row, fate) for row, fate in enumerate(fates, start=1)]


def _item(row: int, fate: str) -> BatchItem:
    if fate in ("unchanged", "duplicate"):
        return sample_item(row, "skipped", reason=fate, attempt=0, started_at=None)
    return failed_item(row) if fate == "failed" else sample_item(row, fate)


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        ({}, "The manifest has no rows."),
        ({"succeeded": 1}, "1 row: published."),
        ({"unchanged": 1}, "1 row: unchanged."),
        ({"failed": 1}, "1 row: failed."),
        ({"succeeded": 2}, "2 rows: all published."),
        ({"failed": 3}, "3 rows: all failed."),
        ({"succeeded": 1, "failed": 1}, "2 rows: 1 published and 1 failed."),
        ({"succeeded": 1, "duplicate": 1}, "2 rows: 1 published and 1 duplicate."),
        (
            {"succeeded": 9, "failed": 2, "unchanged": 3, "duplicate": 2, "rejected": 1, "cancelled": 1},
            "18 rows: 9 published, 2 failed, 3 unchanged, 2 duplicates, 1 rejected and 1 cancelled.",
        ),
        ({"succeeded": 1, "pending": 1, "running": 1}, "3 rows: 1 published and 2 not ended."),
    ],
)
def test_the_outcome_reads_right_for_none_one_and_many(states: dict[str, int], sentence: str) -> None:
    assert outcome(facts_of(items(**states))) == sentence


def test_a_lost_row_is_not_hidden_by_the_headline() -> None:
    assert outcome(facts_of(items(succeeded=1), rows=2)) == "2 rows: 1 published."
    assert outcome(facts_of([], rows=2)) == "2 rows: none accounted for."


def test_the_equation_balances_when_every_row_has_ended() -> None:
    found = equation(facts_of(items(succeeded=2, failed=1, unchanged=1, rejected=1, cancelled=1)))

    assert found.balances
    assert found.rows == sum(count for _, count in found.terms) == 6


@pytest.mark.parametrize(
    ("states", "rows", "problem"),
    [
        ({"succeeded": 1}, 2, "1 row of the manifest is unaccounted for."),
        ({"succeeded": 1}, 4, "3 rows of the manifest are unaccounted for."),
        ({"succeeded": 2}, 1, "There is 1 item more than the manifest has rows."),
        ({"succeeded": 3}, 1, "There are 2 items more than the manifest has rows."),
        ({"succeeded": 1, "pending": 1}, 2, "1 row has not ended (1 pending)."),
        ({"pending": 1, "running": 2}, 3, "3 rows have not ended (1 pending and 2 running)."),
    ],
)
def test_an_equation_that_does_not_balance_says_why(states: dict[str, int], rows: int, problem: str) -> None:
    found = facts_of(items(**states), rows=rows)

    assert equation(found).problems == (problem,)
    assert tone_of(found) == "bad"


def test_a_manifest_that_changed_since_it_was_checked_is_noticed() -> None:
    found = facts_of(items(succeeded=2), sample_batch(rows=3))

    assert equation(found).problems == ("The manifest has 2 rows now, but had 3 when it was checked.",)


def end_of(found: NightFacts) -> str:
    return ending(found, clock_of(found))


def at(hour: int, minute: int = 0) -> datetime:
    """That time of the morning in Berlin."""
    return datetime(2026, 11, 22, hour, minute, tzinfo=BEGINS.tzinfo) - timedelta(hours=1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "Finished at 04:12, 1 h 48 min before the window closes at 06:00."),
        ({"ended_at": at(7, 20)}, "Finished at 07:20, 1 h 20 min after the window closed at 06:00."),
        ({"options": BatchOptions()}, "Finished at 03:12."),
        ({"state": "cancelled", "reason": "request"}, "Cancelled at 04:12: somebody asked for it."),
        ({"state": "cancelled"}, "Cancelled at 04:12."),
        ({"state": "stopped", "reason": "failure_budget"}, "Stopped at 04:12: more than 50 % of the items had failed."),
        ({"state": "stopped", "reason": "canary_failed"}, "Stopped at 04:12: too many of the canary items failed."),
        ({"state": "stopped", "reason": "window_closed"}, "Stopped at 04:12: the night window closed."),
        ({"state": "running", "ended_at": None}, "Not over: the batch was running at 04:13."),
    ],
)
def test_the_ending_says_when_and_why(changes: dict[str, Any], sentence: str) -> None:
    assert end_of(facts_of([], sample_batch(**changes))) == sentence


def test_a_batch_of_two_nights_is_measured_by_the_window_it_ended_in() -> None:
    batch = sample_batch(ended_at=at(5) + timedelta(days=1))

    assert end_of(facts_of([], batch)) == "Finished at 23 Nov 05:00, 1 h before the window closes at 23 Nov 06:00."


def test_a_batch_outside_its_window_and_one_without_an_end_of_it_say_nothing_of_it() -> None:
    always = NightWindow(opens=time(6), closes=time(6), time_zone="Europe/Berlin")
    by_day = sample_batch(started_at=at(9), created_at=at(9), ended_at=at(10))

    assert end_of(facts_of([], by_day)) == "Finished at 10:00."
    assert end_of(facts_of([], sample_batch(options=BatchOptions(window=always)))) == "Finished at 04:12."


def with_deadline(due: datetime) -> Batch:
    return sample_batch(options=BatchOptions(window=WINDOW, finish_by=due))


def test_a_deadline_is_kept_or_missed() -> None:
    early, late = facts_of([], with_deadline(at(5, 12))), facts_of([], with_deadline(at(3, 57)))

    assert against_deadline(early, clock_of(early)) == "That is 1 h before the deadline, 05:12."
    assert against_deadline(late, clock_of(late)) == "That is 15 min after the deadline, 03:57."
    assert against_deadline(facts_of([]), clock_of(early)) == ""


def test_the_end_is_compared_with_the_plan_if_the_work_ran_to_its_end() -> None:
    found = newsroom_facts(100)
    stopped = found.model_copy(update={"batch": found.batch.model_copy(update={"state": "stopped"})})

    assert against_plan(found, clock_of(found)) == "That is 28 min earlier than planned, 04:39."
    assert against_plan(stopped, clock_of(stopped)) == ""


def test_a_short_batch_that_took_ten_times_as_long_is_not_as_planned() -> None:
    found = newsroom_facts(100)
    plan, started = found.batch.plan, found.batch.started_at
    assert plan
    assert started

    def said(planned: float, took: float) -> str:
        fields = {
            "plan": plan.model_copy(update={"finishes_at": started + timedelta(seconds=planned)}),
            "ended_at": started + timedelta(seconds=took),
        }
        short = found.model_copy(update={"batch": found.batch.model_copy(update=fields)})
        return against_plan(short, clock_of(short)).partition(" than")[0]

    assert said(2, 23) == "That is 21 s later"
    assert said(20, 23) == said(3600, 3650) == "That is as planned."


def test_throughput_is_told_in_words() -> None:
    one = [sample_item(1, asset_id=PUBLISHED[0], version=PUBLISHED[1])]
    batch = sample_batch(ended_at=BEGINS + timedelta(seconds=21))

    assert throughput_sentence(facts_of(one, batch)) == "1 item in 21 s: 10 s of video published, at 0.5 × real time."
    assert throughput_sentence(facts_of(items(failed=2))) == "2 items in 6 h 9 min."
    assert throughput_sentence(facts_of(items(unchanged=5))) == ""


def test_the_tone_follows_the_news() -> None:
    assert tone_of(facts_of(items(succeeded=1, unchanged=3))) == "good"
    assert tone_of(facts_of(items(succeeded=1, failed=1))) == "warning"
    assert tone_of(facts_of(items(cancelled=1), sample_batch(state="stopped"))) == "bad"


@pytest.mark.parametrize(
    ("canary", "tried", "sentence"),
    [
        (None, 9, ""),
        (
            CanaryOutcome(items=1, failed=0, passed=True),
            9,
            "1 item went first, alone: no failures. The others followed.",
        ),
        (CanaryOutcome(items=5, failed=1, passed=True), 5, "5 items went first, alone: 1 failure."),
        (
            CanaryOutcome(items=5, failed=4, passed=False),
            5,
            "5 items went first, alone: 4 failures. That was too many, and nothing else was begun.",
        ),
    ],
)
def test_the_canary_is_told(canary: CanaryOutcome | None, tried: int, sentence: str) -> None:
    assert canary_sentence(facts_of(items(succeeded=tried), canary=canary)) == sentence
