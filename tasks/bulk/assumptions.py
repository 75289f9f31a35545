"""What is assumed of sources that nobody has looked into: what those say that are known, or a small sample of them."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy

from data.domain.assets import SourceFacts
from data.domain.errors import DailiesError, DataError
from tasks.bulk.estimates import Numbers, Work

MOST_SAMPLES = 40
SAMPLE_SECONDS = 3.0
_PROBES = 4
_CANDIDATES = 400
_SECONDS = 60.0
_MEGAPIXELS = 1920 * 1080 / 1e6
_BYTES_A_SECOND = 625_000.0
"""Five megabits: HD video as it is handed about."""

ProbeSource = Callable[[str], SourceFacts]
"""Looks into one source; raises what is wrong with it."""


class Candidates:
    """Sources of which some are to be looked into: an even choice of any number, in little memory.

    Lives as long as one plan; the same batch gives the same choice.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a fair choice, no secret
        self._seen = 0
        self._kept: list[tuple[int, str, float]] = []

    def offer(self, place: int, source: str, size_bytes: float) -> None:
        """Take note of a source, by its place among the items of the plan."""
        self._seen += 1
        if len(self._kept) < _CANDIDATES:
            self._kept.append((place, source, size_bytes))
        elif (slot := self._random.randrange(self._seen)) < _CANDIDATES:
            self._kept[slot] = (place, source, size_bytes)

    def chosen(self) -> list[tuple[int, str]]:
        """Return places and sources, from the smallest to the largest and evenly between, in random order."""
        ordered = sorted(self._kept, key=lambda each: each[2])
        step = max(1.0, len(ordered) / MOST_SAMPLES)
        taken = [ordered[int(n * step)] for n in range(min(MOST_SAMPLES, len(ordered)))]
        self._random.shuffle(taken)  # when time runs out, what was seen is even too
        return [(place, source) for place, source, _ in taken]


@dataclass
class Sample:
    """What looking into a few sources found."""

    facts: dict[int, SourceFacts] = field(default_factory=dict)
    """By place."""
    bad: dict[str, DataError] = field(default_factory=dict)
    """Sources that are no video, by address."""


def take_sample(chosen: Sequence[tuple[int, str]], probe: ProbeSource) -> Sample:
    """Look into the chosen sources for a few seconds at most."""
    sample = Sample()
    if not chosen:
        return sample
    pool = ThreadPoolExecutor(_PROBES, thread_name_prefix="sample")  # not as a context: its end waits for all
    looks = {pool.submit(probe, source): (place, source) for place, source in chosen}
    done, _ = wait(looks, timeout=SAMPLE_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    for look in done:
        place, source = looks[look]
        error = look.exception()
        if error is None:
            sample.facts[place] = look.result()
        elif isinstance(error, DataError):
            sample.bad[source] = error
        elif not isinstance(error, DailiesError):
            raise error
    return sample


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What sources are taken to be like."""

    seconds_per_byte: float
    megapixels: float
    seconds: float
    """Of one whose size is not known either."""
    is_guess: bool
    """Nothing at all was known."""


def assume(work: Work) -> Assumptions:
    """Return what the sources that are known say of the others; entries that are not known are NaN."""
    seen = numpy.isfinite(work.media_seconds) & (work.media_seconds > 0) & (work.size_bytes > 0)
    if not seen.any():
        return Assumptions(1 / _BYTES_A_SECOND, _MEGAPIXELS, _SECONDS, is_guess=True)
    seconds = work.media_seconds[seen]
    return Assumptions(
        seconds_per_byte=float(numpy.median(seconds / work.size_bytes[seen])),
        megapixels=float(numpy.median(work.megapixels[seen])),
        seconds=float(numpy.median(seconds)),
        is_guess=False,
    )


def filled(work: Work, assumed: Assumptions) -> Work:
    """Return the sources with what is not known replaced by what is assumed."""
    seconds = _or(work.media_seconds, _or(work.size_bytes * assumed.seconds_per_byte, assumed.seconds))
    return Work(
        media_seconds=seconds,
        megapixels=_or(work.megapixels, assumed.megapixels),
        size_bytes=_or(work.size_bytes, seconds / assumed.seconds_per_byte),
    )


def _or(values: Numbers, otherwise: Numbers | float) -> Numbers:
    return numpy.where(numpy.isfinite(values), values, otherwise)
