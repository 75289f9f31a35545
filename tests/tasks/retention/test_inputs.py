"""Files of edits go when no job has used them for long, and not before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from data.domain.keys import input_key
from data.storage import ObjectStore
from tasks.retention.inputs import expire_inputs
from tasks.retention.rounds import PARTS, Ages, Deleted

DAY = timedelta(days=1)
AGES = Ages(versions=None, attempts=DAY, caches=30 * DAY, uploads=None, results=None)


def left_after(store: ObjectStore, days: float, ages: Ages = AGES) -> tuple[list[str], dict[str, int]]:
    deleted = Deleted()
    for part in PARTS:
        expire_inputs(store, part, ages, datetime.now(UTC) + days * DAY, deleted)
    return [stored.key for stored in store.list("inputs/")], deleted.counts


def test_a_file_and_what_is_known_of_it_go_after_their_time(store: ObjectStore) -> None:
    keys = [input_key("a" * 64), input_key("a" * 64, ".clip.json"), input_key("b" * 64, ".png")]
    for key in keys:
        store.put_bytes(b"bytes", key)

    assert left_after(store, 29) == (keys, {})
    assert left_after(store, 31) == ([], {"inputs": 3})


def test_a_file_outlives_the_results_of_steps_by_which_runs_go_on(store: ObjectStore) -> None:
    ages = replace(AGES, caches=DAY, results=7 * DAY)
    key = input_key("a" * 64, ".png")
    store.put_bytes(b"bytes", key)

    assert left_after(store, 7, ages) == ([key], {})
    assert left_after(store, 8, ages) == ([], {"inputs": 1})
