"""Where the bars, bands and marks of the report's charts lie, in percent of the chart: pure geometry.

The template draws them as inline SVG by hand rather than with matplotlib: a chart of bars is a few kilobytes instead
of tens, follows the page into dark mode and print, keeps its labels readable on a telephone (they are text of the page,
not of a picture that shrinks), and costs a night's workers no import.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from data.domain.nights import Throughput
from tasks.reporting.wording import Clock, rate

MIN_SPANS = 4
"""Fewer spans than this are no development worth a chart."""
_TICK_SECONDS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
_MAX_TICKS = 7
_THINNEST = 0.35
"""Percent of the chart; thinner cannot be seen."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of time laid over 100 percent."""

    begins: datetime
    ends: datetime

    def at(self, moment: datetime) -> float:
        """Return where a moment lies, kept within the chart."""
        whole = (self.ends - self.begins).total_seconds() or 1.0
        return min(100.0, max(0.0, 100 * (moment - self.begins).total_seconds() / whole))


@dataclass(frozen=True, slots=True)
class Bar:
    """One upright bar; lengths in percent of the chart, heights from its foot."""

    x: float
    width: float
    good: float
    """Height of the part that was published."""
    bad: float
    """Height of the part that failed, on top of the other."""
    label: str
    """What the bar says when it is pointed at."""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time that is marked."""

    x: float
    width: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over time, with the marks of both axes."""

    title: str
    bars: tuple[Bar, ...]
    levels: tuple[tuple[float, str], ...]
    """Height and label of the horizontal lines."""
    average: str


def axis_of(begins: datetime, ends: datetime, spans: Sequence[Throughput]) -> Axis:
    """Return the axis on which a whole night lies."""
    if not spans:
        return Axis(begins, ends)
    return Axis(min(begins, spans[0].at), max(ends, spans[-1].at + timedelta(seconds=spans[-1].seconds)))


def items_chart(spans: Sequence[Throughput], axis: Axis, clock: Clock) -> Chart:
    """Return how many items ended a minute."""
    good = [span.published * 60 / span.seconds for span in spans]
    bad = [span.failed * 60 / span.seconds for span in spans]
    labels = [
        f"{clock.time(span.at)}: {span.published:,} published" + (f", {span.failed:,} failed" if span.failed else "")
        for span in spans
    ]
    return _chart("Items a minute", spans, axis, good, bad, labels)


def media_chart(spans: Sequence[Throughput], axis: Axis, clock: Clock) -> Chart:
    """Return how many minutes of video were published a minute."""
    speeds = [span.media_seconds / span.seconds for span in spans]
    labels = [f"{clock.time(span.at)}: {rate(speed)}" for span, speed in zip(spans, speeds, strict=True)]
    return _chart("Minutes of video published a minute", spans, axis, speeds, [0.0] * len(spans), labels)


def _chart(
    title: str,
    spans: Sequence[Throughput],
    axis: Axis,
    good: Sequence[float],
    bad: Sequence[float],
    labels: Sequence[str],
) -> Chart:
    sums = [one + other for one, other in zip(good, bad, strict=True)]
    top = nice_top(max(sums, default=0.0))
    bars = tuple(
        Bar(axis.at(span.at), _width(axis, span), 100 * up / top, 100 * down / top, label)
        for span, up, down, label in zip(spans, good, bad, labels, strict=True)
    )
    whole = sum(span.seconds for span in spans)
    mean = sum(each * span.seconds for each, span in zip(sums, spans, strict=True)) / whole if whole else 0.0
    return Chart(title, bars, ((0.0, "0"), (50.0, rate(top / 2)), (100.0, rate(top))), rate(mean))


def _width(axis: Axis, span: Throughput) -> float:
    """Return a bar's width, a little less than its span so that neighbours stay apart."""
    return max(0.86 * (axis.at(span.at + timedelta(seconds=span.seconds)) - axis.at(span.at)), _THINNEST)


def nice_top(highest: float) -> float:
    """Return the round number at which an axis ends: 1, 2, 4, 6 or 8 times a power of ten, not below the highest."""
    if highest <= 0:
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(highest))
    return next((step * magnitude for step in (1, 2, 4, 6, 8) if step * magnitude >= highest), 10 * magnitude)


def band(axis: Axis, begins: datetime, ends: datetime, label: str) -> Band:
    """Return a marked stretch, cut to the chart."""
    start = axis.at(begins)
    return Band(start, max(axis.at(ends) - start, _THINNEST), label)


def time_marks(axis: Axis, clock: Clock) -> tuple[tuple[float, str], ...]:
    """Return position and label of round times on the axis."""
    zone = ZoneInfo(clock.time_zone)
    seconds = (axis.ends - axis.begins).total_seconds()
    step = next((each for each in _TICK_SECONDS if seconds / each <= _MAX_TICKS), _TICK_SECONDS[-1])
    midnight = axis.begins.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    first = math.ceil((axis.begins - midnight).total_seconds() / step)
    count = math.floor((axis.ends - midnight).total_seconds() / step) - first + 1
    stride = max(1, math.ceil(count / _MAX_TICKS))
    moments = [midnight + timedelta(seconds=(first + index) * step) for index in range(0, count, stride)]
    inside = (moment for moment in moments if axis.begins <= moment <= axis.ends)  # summer time may move one out
    return tuple((axis.at(moment), clock.mark(moment, step)) for moment in inside)
