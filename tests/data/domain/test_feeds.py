from datetime import UTC, datetime
from typing import Any

import pytest

from data.domain.batches import Batch, BatchOptions, BatchReason, BatchState, BatchWish
from data.domain.feeds import needs_feed


def batch(state: BatchState, **values: Any) -> Batch:
    made = {
        "id": "b",
        "name": "b",
        "manifest_uri": "/m.csv",
        "options": BatchOptions(),
        "created_at": datetime.now(UTC),
    }
    return Batch(state=state, **{**made, **values})


@pytest.mark.parametrize(
    "state", ["received", "validating", "planning", "planned", "running", "paused", "completed", "rejected"]
)
def test_a_batch_needs_a_feed_until_it_is_reported_on(state: str) -> None:
    assert needs_feed(batch(BatchState(state)))


def test_a_batch_with_a_report_needs_none() -> None:
    assert not needs_feed(batch(BatchState.COMPLETED, outputs={"report": "batches/b/report.html"}))


@pytest.mark.parametrize("reason", [BatchReason.DRY_RUN, BatchReason.APPROVAL_NEEDED])
def test_a_batch_that_waits_for_a_word_needs_none(reason: BatchReason) -> None:
    assert not needs_feed(batch(BatchState.PLANNED, reason=reason))


@pytest.mark.parametrize(
    ("state", "wish", "reason", "moves"),
    [
        ("running", "run", None, {"cancel", "pause"}),
        ("running", "pause", None, {"cancel", "resume"}),
        ("paused", "pause", "request", {"cancel", "resume"}),
        ("paused", "run", "night_window", {"cancel", "pause"}),
        ("running", "cancel", None, set()),
        ("planned", "run", "dry_run", {"cancel", "start"}),
        ("planned", "run", None, {"cancel", "pause"}),
        ("completed", "run", None, {"retry"}),
        ("rejected", "run", "invalid_rows", set()),
    ],
)
def test_what_can_be_asked_depends_on_what_was_asked(
    state: str, wish: str, reason: str | None, moves: set[str]
) -> None:
    given = batch(BatchState(state), wish=BatchWish(wish), reason=reason and BatchReason(reason))

    assert given.moves == moves
