import itertools
from datetime import timedelta

from tasks.reporting.results import results_frame
from tasks.reporting.sentences import outcome, tone_of
from tasks.reporting.tally import EXAMPLES, MAX_SPANS, SLOWEST, NightTally
from tests.fakes.nights import (
    BEGINS,
    MADE,
    facts_of,
    failed_item,
    newsroom_items,
    sample_batch,
    sample_item,
    sample_publications,
)

PUBLISHED = {"asset_id": next(iter(sample_publications()))[0], "version": 1}


def test_chunks_add_up_to_the_whole() -> None:
    items = list(newsroom_items(1000))
    tally = NightTally()
    for start in range(0, len(items), 170):
        tally.add(results_frame(items[start : start + 170], sample_publications()))

    assert tally.facts(sample_batch(), 1000, made_at=MADE) == facts_of(items)


def test_failures_are_grouped_by_code_most_frequent_first_with_the_first_rows_as_examples() -> None:
    items = [failed_item(row, message=f"m{row}") for row in range(1, 8)]
    items += [failed_item(8, "INFRA.DISK.FULL", step="publish"), failed_item(9, step="transcode")]
    first, second = facts_of(items).failures

    assert (first.code, first.failure_class, first.count) == ("DATA.INPUT.CORRUPT", "DATA", 8)
    assert first.steps == {"ingest": 7, "transcode": 1}
    assert [example.message for example in first.examples] == ["m1", "m2", "m3"][:EXAMPLES]
    assert (second.code, second.count) == ("INFRA.DISK.FULL", 1)


def test_a_failure_without_class_code_or_message_is_counted_too() -> None:
    [group] = facts_of([failed_item(1, failure_class=None, code=None, message="", step=None)]).failures

    assert (group.failure_class, group.code, group.count, group.steps) == ("", "", 1, {})


def test_reasons_are_counted() -> None:
    skipped = [sample_item(row, "skipped", reason="unchanged") for row in (1, 2)]
    cancelled = [sample_item(3, "cancelled", reason="request"), sample_item(4, "cancelled")]
    found = facts_of([*skipped, *cancelled])

    assert found.skipped == {"unchanged": 2}
    assert found.cancelled == {"request": 1, "": 1}


def test_what_waits_for_a_person_is_told_apart_from_what_is_published() -> None:
    items = [sample_item(1, **PUBLISHED), sample_item(2, "succeeded", reason="review")]
    found = facts_of(items)

    assert (found.counts.succeeded, found.in_review) == (2, 1)
    assert outcome(found) == "2 rows: 1 published and 1 waiting for review."
    assert tone_of(found) == "warning"


def test_throughput_has_equal_spans_without_gaps() -> None:
    minutes = (0, 1, 30, 200)
    items = [sample_item(row, ended_at=BEGINS + timedelta(minutes=m), **PUBLISHED) for row, m in enumerate(minutes, 1)]
    spans = facts_of([*items, failed_item(5, ended_at=BEGINS)]).throughput

    assert len(spans) <= MAX_SPANS
    assert {after.at - before.at for before, after in itertools.pairwise(spans)} == {
        timedelta(seconds=spans[0].seconds)
    }
    assert sum(span.published for span in spans) == 4
    assert sum(span.failed for span in spans) == 1
    assert sum(span.media_seconds for span in spans) == 4 * 10.5


def test_a_night_of_weeks_has_no_more_spans_than_can_be_seen() -> None:
    items = [sample_item(row, ended_at=BEGINS + timedelta(hours=9 * row)) for row in range(1, 41)]

    assert 10 < len(facts_of(items).throughput) <= MAX_SPANS


def test_what_was_not_worked_on_is_no_throughput() -> None:
    items = [sample_item(1, "skipped", started_at=None), sample_item(2, "cancelled"), failed_item(3, started_at=None)]
    found = facts_of(items)

    assert found.throughput == ()
    assert found.slowest == ()
    assert found.counts.failed == 1


def test_the_slowest_come_first_whatever_the_chunk() -> None:
    items = [
        sample_item(row, started_at=BEGINS, ended_at=BEGINS + timedelta(seconds=row % 50)) for row in range(1, 200)
    ]
    found = facts_of(items).slowest

    assert len(found) == SLOWEST
    assert [item.wall_seconds for item in found] == [49, 49, 49, 49, 48, 48, 48, 48, 47, 47]
    assert [item.row for item in found[:4]] == [49, 99, 149, 199]


def test_no_items_are_no_facts() -> None:
    found = facts_of([])

    assert found.counts.balances
    assert (found.failures, found.throughput, found.slowest, found.retried) == ((), (), (), 0)
