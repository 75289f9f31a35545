from datetime import UTC, datetime, timedelta

from data.domain.batches import Batch, BatchOptions, BatchReason, BatchState, ItemCounts, ItemState
from tasks.bulk.bulletin import Pace, bulletin

START = datetime(2026, 1, 2, 22, tzinfo=UTC)
BATCH = Batch(
    id="b",
    name="Monday",
    manifest_uri="/m.csv",
    options=BatchOptions(),
    state=BatchState.PAUSED,
    reason=BatchReason.REQUEST,
    spent=1.5,
    created_at=START,
)
COUNTS = ItemCounts(rows=10, pending=5, succeeded=5)


def test_what_is_left_takes_as_long_as_it_took_so_far() -> None:
    pace = Pace()
    bulletin(BATCH, COUNTS, {ItemState.PENDING: 100.0}, pace, START)

    news = bulletin(
        BATCH, COUNTS, {ItemState.PENDING: 75.0, ItemState.SUCCEEDED: 25.0}, pace, START + timedelta(minutes=1)
    )

    assert news.finishes_at is not None
    assert START + timedelta(minutes=3.9) < news.finishes_at < START + timedelta(minutes=4.1)
    assert 0.24 < news.share < 0.26
    assert "2026-01-02 22:0" in news.text


def test_only_the_last_minutes_tell_the_pace() -> None:
    pace = Pace()
    pace.note(START, 0.0)
    pace.note(START + timedelta(hours=1), 10.0)
    pace.note(START + timedelta(hours=1, minutes=5), 110.0)

    assert pace.finish(100.0) == START + timedelta(hours=1, minutes=10)


def test_without_a_pace_there_is_no_promise() -> None:
    news = bulletin(BATCH, COUNTS, {ItemState.PENDING: 100.0}, Pace(), START)

    assert news.finishes_at is None
    assert "Finishes" not in news.text


def test_it_says_how_many_rows_ended_how_and_what_was_spent() -> None:
    news = bulletin(BATCH, COUNTS, {}, Pace(), START)

    assert "**Monday**: paused (request)" in news.text
    assert "5 of 10 rows ended: 5 succeeded, 0 failed" in news.text
    assert "1.50" in news.text


def test_a_batch_of_nothing_is_done() -> None:
    assert bulletin(BATCH, ItemCounts(), {}, Pace(), START).share == 1.0
