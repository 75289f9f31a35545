"""No id is missed, and none is taken for another."""

from hypothesis import given, settings
from hypothesis import strategies as st

from data.manifests.seen import SeenIds


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(0, 40).map(str), min_size=1, max_size=12), max_size=12))
def test_each_id_is_told_the_first_row_that_had_it(chunks: list[list[str]]) -> None:
    seen, firsts, row = SeenIds(), {}, 1

    for chunk in chunks:
        expected = [firsts.setdefault(each, row + place) for place, each in enumerate(chunk)]
        assert seen.first_rows(chunk, row) == expected
        row += len(chunk)


def test_hundreds_of_thousands_of_ids_take_few_bytes_each() -> None:
    seen = SeenIds()
    for first in range(1, 300_000, 10_000):
        ids = [f"clip-{number}" for number in range(first, first + 10_000)]
        assert seen.first_rows(ids, first) == list(range(first, first + 10_000))

    assert seen.first_rows(["clip-150000", "new"], 300_001) == [150_000, 300_002]
    assert seen.size_bytes == 16 * 300_001
