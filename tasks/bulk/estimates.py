"""How long steps take, learnt from those that were done: robust against the odd slow machine and the odd strange file.

A step takes a fixed time and a time for each unit of work. What the unit is depends on the step: encoding goes by
pixels and seconds, listening by seconds, copying by bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy
from numpy.typing import NDArray

from data.domain.costs import CostStep
from data.repositories import StepCost

Numbers = NDArray[numpy.float64]

_ENOUGH = 8
"""So many runs tell the fixed part from the rest, if they differ in length; fewer only tell how fast the machine is."""
_SPREAD = 2.0
"""The longest of them has to be so many times as long as the shortest."""
_BYTES_A_PIXEL = 0.4
"""Published for each pixel of a frame and second: 3 MB for eight seconds of 720p through the default ladder."""


class Unit(Enum):
    """What the time of a step grows with."""

    GIGABYTES = "bytes_in"
    SECONDS = "media_seconds"
    PIXELS = "media_seconds × megapixels"


@dataclass(frozen=True, slots=True)
class Work:
    """What is known or assumed of many sources: one entry each."""

    media_seconds: Numbers
    megapixels: Numbers
    size_bytes: Numbers

    def units(self, unit: Unit) -> Numbers:
        """Return how many units of work each is."""
        if unit is Unit.GIGABYTES:
            return self.size_bytes / 1e9
        return self.media_seconds * self.megapixels if unit is Unit.PIXELS else self.media_seconds


@dataclass(frozen=True, slots=True)
class CostModel:
    """What a step takes."""

    unit: Unit
    fixed_seconds: float
    seconds_per_unit: float
    learnt_from: int = 0
    """Number of past runs; 0: a default that ships."""

    def machine_seconds(self, work: Work) -> Numbers:
        """Return what the step will take for each source."""
        return self.fixed_seconds + self.seconds_per_unit * work.units(self.unit)


DEFAULTS: Mapping[CostStep, CostModel] = {
    CostStep.GENERATION: CostModel(Unit.SECONDS, 5.0, 2.0),
    CostStep.INGEST: CostModel(Unit.GIGABYTES, 0.3, 5.0),
    CostStep.PREPARE: CostModel(Unit.PIXELS, 3.0, 4.0),
    CostStep.TRANSCODE: CostModel(Unit.PIXELS, 0.5, 0.6),
    CostStep.CAPTIONS: CostModel(Unit.SECONDS, 3.0, 0.3),
    CostStep.CHAPTERS: CostModel(Unit.SECONDS, 0.5, 0.05),
    CostStep.POSTER: CostModel(Unit.SECONDS, 1.5, 0.0),
    CostStep.MODERATION: CostModel(Unit.SECONDS, 1.0, 0.06),
    CostStep.TEXT: CostModel(Unit.SECONDS, 3.0, 0.4),
    CostStep.PASSAGES: CostModel(Unit.SECONDS, 0.5, 0.002),
    CostStep.ANALYSIS: CostModel(Unit.SECONDS, 2.0, 1.0),
    CostStep.PUBLISH: CostModel(Unit.PIXELS, 1.0, 0.1),
    CostStep.COPY: CostModel(Unit.PIXELS, 0.3, 0.02),
    CostStep.REHEARSE: CostModel(Unit.SECONDS, 0.02, 0.0),
}
"""What ships: measured on two cores of a small server; only good for the order of magnitude."""


def learn(default: CostModel, past: Sequence[StepCost]) -> CostModel:
    """Return what past runs of a step teach, starting from what ships.

    A handful of runs, or runs of like length, scale the default by the median of what they took against it. More are
    laid a line through: the median of the slopes between all pairs (Theil and Sen), which a third of outliers does
    not move.
    """
    if not past:
        return default
    work, seconds = _work(past), numpy.array([cost.machine_seconds for cost in past])
    units = work.units(default.unit)
    if len(past) >= _ENOUGH and units.max() >= _SPREAD * max(units.min(), 1e-9):
        slope = _median_slope(units, seconds)
        fixed = float(numpy.median(seconds - slope * units))
        if slope >= 0 and fixed >= 0:
            return CostModel(default.unit, fixed, slope, len(past))
    scale = float(numpy.median(seconds / numpy.maximum(default.machine_seconds(work), 1e-9)))
    return CostModel(default.unit, default.fixed_seconds * scale, default.seconds_per_unit * scale, len(past))


def learn_bytes_out(past: Sequence[StepCost]) -> float:
    """Return bytes that are published for each pixel of a frame of the source and second."""
    rates = [
        cost.bytes_out / (cost.media_seconds * cost.megapixels * 1e6)
        for cost in past
        if cost.bytes_out > 0 and cost.media_seconds > 0 and cost.megapixels > 0
    ]
    return float(numpy.median(rates)) if rates else _BYTES_A_PIXEL


def _work(past: Sequence[StepCost]) -> Work:
    def column(of: Callable[[StepCost], float]) -> Numbers:
        return numpy.array([of(cost) for cost in past], dtype=numpy.float64)

    return Work(column(lambda c: c.media_seconds), column(lambda c: c.megapixels), column(lambda c: c.bytes_in))


def _median_slope(units: Numbers, seconds: Numbers) -> float:
    first, second = numpy.triu_indices(len(units), k=1)
    run, rise = units[second] - units[first], seconds[second] - seconds[first]
    apart = numpy.abs(run) > 1e-9
    return float(numpy.median(rise[apart] / run[apart]))
