import time
from threading import Event

import numpy
import pytest

from data.domain.assets import SourceFacts
from data.domain.errors import CorruptInputError, TimeLimitError
from tasks.bulk.assumptions import MOST_SAMPLES, SAMPLE_SECONDS, Candidates, assume, filled, take_sample
from tasks.bulk.estimates import Work
from tests.fakes.source_facts import source_facts

NAN = float("nan")


def work(*entries: tuple[float, float, float]) -> Work:
    return Work(*(numpy.array(column) for column in zip(*entries, strict=True)))


def test_the_sample_goes_from_the_smallest_to_the_largest() -> None:
    candidates = Candidates("b1")
    for place in range(10_000):
        candidates.offer(place, f"/in/{place}.mp4", float(place))

    places = sorted(place for place, _ in candidates.chosen())

    assert len(places) == MOST_SAMPLES
    assert places[0] < 500
    assert places[-1] > 9_000
    assert max(numpy.diff(places)) < 1_000


def test_the_same_batch_gives_the_same_sample_and_a_small_one_all() -> None:
    def chosen(seed: str, count: int) -> list[tuple[int, str]]:
        candidates = Candidates(seed)
        for place in range(count):
            candidates.offer(place, str(place), 1.0)
        return candidates.chosen()

    assert chosen("b1", 5000) == chosen("b1", 5000) != chosen("b2", 5000)
    assert sorted(place for place, _ in chosen("b1", 7)) == list(range(7))
    assert chosen("b1", 0) == []


def test_a_sample_tells_good_from_bad_and_leaves_out_what_takes_too_long() -> None:
    def probe(source: str) -> SourceFacts:
        if source == "bad":
            raise CorruptInputError("Damaged.")
        if source == "slow":
            raise TimeLimitError("Too long.")
        return source_facts()

    sample = take_sample([(0, "good"), (1, "bad"), (2, "slow")], probe)

    assert list(sample.facts) == [0]
    assert list(sample.bad) == ["bad"]


def test_a_file_server_that_hangs_does_not_hold_up_the_plan() -> None:
    hung = Event()

    def probe(source: str) -> SourceFacts:
        if source != "0":
            hung.wait(60)
        return source_facts()

    began = time.monotonic()
    sample = take_sample([(place, str(place)) for place in range(20)], probe)
    took = time.monotonic() - began
    hung.set()

    assert list(sample.facts) == [0]
    assert took < 10 * SAMPLE_SECONDS


def test_a_fault_of_ours_is_not_taken_for_a_bad_file() -> None:
    def probe(source: str) -> SourceFacts:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take_sample([(0, "any")], probe)


def test_unknown_sources_are_taken_to_be_like_the_known_ones() -> None:
    entries = work((10, 2.0, 1e6), (20, 2.0, 2e6), (NAN, NAN, 4e6), (NAN, NAN, NAN))

    assumed = assume(entries)
    whole = filled(entries, assumed)

    assert not assumed.is_guess
    assert whole.media_seconds.tolist() == pytest.approx([10, 20, 40, 15])
    assert whole.megapixels.tolist() == [2.0] * 4
    assert numpy.isfinite(whole.size_bytes).all()


def test_where_nothing_is_known_there_is_a_guess() -> None:
    entries = work((NAN, NAN, 625_000 * 30), (NAN, NAN, NAN))

    assumed = assume(entries)

    assert assumed.is_guess
    assert filled(entries, assumed).media_seconds.tolist() == pytest.approx([30, 60])
