"""A round an hour, by whichever machine is first; a large store in turns."""

from datetime import UTC, datetime, timedelta
from itertools import count

from data.storage import ObjectStore
from tasks.retention.rounds import PARTS, Deleted, claim_round, is_due, visit_parts

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


def test_a_round_is_due_at_first_and_then_once_an_hour(store: ObjectStore) -> None:
    assert is_due(store, NOW)
    assert claim_round(store, NOW) == PARTS[0]

    assert not is_due(store, NOW + HOUR / 2)
    assert claim_round(store, NOW + HOUR / 2) is None
    assert is_due(store, NOW + HOUR)
    assert claim_round(store, NOW + HOUR) == PARTS[0]


def test_a_clock_that_was_set_back_does_not_stop_retention(store: ObjectStore) -> None:
    claim_round(store, NOW + 1000 * HOUR)

    assert is_due(store, NOW)


def test_a_small_store_is_visited_whole(store: ObjectStore) -> None:
    part = claim_round(store, NOW)
    assert part is not None

    assert "".join(visit_parts(store, part, 60)) == PARTS


def test_a_large_store_is_visited_in_turns_over_the_rounds(store: ObjectStore) -> None:
    seen = ""
    for number in range(6):
        part = claim_round(store, NOW + number * HOUR)
        assert part is not None
        ticks = count()
        seen += "".join(visit_parts(store, part, 2.5, clock=lambda ticks=ticks: float(next(ticks))))  # type: ignore[misc]

    assert seen[: len(PARTS)] == PARTS
    assert len(seen) == 18


def test_a_part_that_was_not_finished_is_visited_again(store: ObjectStore) -> None:
    part = claim_round(store, NOW)
    assert part is not None
    parts = visit_parts(store, part, 60)
    assert [next(parts), next(parts)] == ["0", "1"]  # and here the process is killed

    assert claim_round(store, NOW + HOUR) == "1"


def test_what_was_deleted_is_said_with_counts_and_bytes() -> None:
    deleted = Deleted()
    for size_bytes in (1_000_000, 500_000):
        deleted.add("versions", size_bytes)
    deleted.add("results", 0)

    assert str(deleted) == "1 results, 2 versions, 1.5 MB"
