"""Work out the frame rate and duration of a picture from the time stamps of its packets, not from a header's claim."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median

SLOWEST, FASTEST = Fraction(1, 10), Fraction(240)
_FALLBACK_RATE = Fraction(25)
_FASTEST_UNMEASURED = Fraction(120)
_STANDARD_RATES = tuple(
    Fraction(rate)
    for rate in (
        *("1", "2", "5", "8", "10", "12", "15", "20", "24000/1001", "24", "25", "30000/1001", "30", "48", "50"),
        *("60000/1001", "60", "72", "90", "100", "120000/1001", "120", "144", "240"),
    )
)
_COARSEST_ROUNDING = 0.002
_SAME = 0.002
_SIMILAR = 0.01


@dataclass(frozen=True)
class Timeline:
    """When the pictures of a video stream are shown; made from one read of the whole file."""

    picture_times: Sequence[float]
    """Times in seconds, ascending, of presentation if every packet has one; without those that an edit list cuts."""
    picture_count: int
    """Coded pictures; more than there are times when the container keeps none."""
    start_seconds: float
    """When the first picture is shown."""
    span_seconds: float
    """From the beginning of the first picture to the end of the last."""
    all_streams_end_seconds: float

    @property
    def measured_rate(self) -> Fraction | None:
        """Pictures a second from first to last; ``None`` below two pictures."""
        if len(self.picture_times) < 2 or self.picture_times[-1] <= self.picture_times[0]:
            return None
        return Fraction((self.picture_count - 1) / (self.picture_times[-1] - self.picture_times[0]))

    @property
    def usual_gap_seconds(self) -> float:
        """The median time from one picture to the next; 0 below two pictures."""
        return median(self._gaps()) if len(self.picture_times) > 1 else 0.0

    def is_variable(self, tick_seconds: float) -> bool:
        """Say whether the gaps between pictures differ by more than the container's rounding.

        Args:
            tick_seconds: The time base of the stream; Matroska's millisecond makes 41 and 42 of every 41.7.
        """
        if len(self.picture_times) < self.picture_count:
            return False  # nobody can tell
        usual = self.usual_gap_seconds
        tolerance = max(min(1.5 * tick_seconds, _COARSEST_ROUNDING), 0.1 * usual)
        return any(abs(gap - usual) > tolerance for gap in self._gaps())

    def _gaps(self) -> list[float]:
        return [after - before for before, after in pairwise(self.picture_times)]


def read_timeline(packets: Path, stream_index: int) -> Timeline:
    """Read ffprobe's packet list: lines of ``stream_index,pts_time,dts_time,duration_time,flags``.

    Args:
        packets: The list as ffprobe's ``csv=p=0`` writes it.
        stream_index: The video stream.
    """
    shown, decoded = _Times(), _Times()
    count = 0
    all_end = 0.0
    with packets.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            fields = line.rstrip("\n").split(",")
            if len(fields) < 5 or "D" in fields[4]:  # D: decoded but not shown, an edit list cuts it
                continue
            shown_at, decoded_at, lasts = (_seconds(field) for field in fields[1:4])
            time = decoded_at if shown_at is None else shown_at
            all_end = max(all_end, (time or 0.0) + (lasts or 0.0))
            if fields[0] == str(stream_index):
                count += 1
                shown.add(shown_at, lasts)
                decoded.add(decoded_at, lasts)
    # MPEG program streams and old AVI files lack some or all presentation times. Mixing in decoding times would make
    # gaps that are not there.
    used = shown if len(shown.times) == count or len(decoded.times) < len(shown.times) else decoded
    times = array("d", sorted(used.times))
    return Timeline(
        picture_times=times,
        picture_count=count,
        start_seconds=min(shown.times or decoded.times, default=0.0),
        span_seconds=used.end - times[0] if times else 0.0,
        all_streams_end_seconds=all_end,
    )


class _Times:
    """Times of one sort while a packet list is read."""

    def __init__(self) -> None:
        self.times = array("d")
        self.end = -math.inf

    def add(self, seconds: float | None, lasts_seconds: float | None) -> None:
        if seconds is not None:
            self.end = max(self.end, seconds + (lasts_seconds or 0.0))
            self.times.append(seconds)


def sane_rate(timeline: Timeline, claims: tuple[Fraction | None, ...], *, is_variable: bool) -> Fraction:
    """Return the rate to work with, within 1/10 to 240.

    A constant rate is the container's claim where the packets bear it out, so that 30000/1001 stays exact. A variable
    one becomes a standard rate that drops no picture where they come at their usual pace.

    Args:
        timeline: The pictures' times.
        claims: What the container says, its nominal rate before its average; ``None`` for nonsense such as 0/0.
        is_variable: What ``Timeline.is_variable`` said.
    """
    measured = timeline.measured_rate
    if measured is None:
        # The last claim is the average; the first counts fields where there are no times to set it right.
        believable = (claim for claim in reversed(claims) if claim and 1 <= claim <= _FASTEST_UNMEASURED)
        return next(believable, _FALLBACK_RATE)
    if is_variable:
        usual = timeline.usual_gap_seconds
        pace = max(measured, Fraction(1 / usual) if usual > 0 else measured)
        return _standard_from(pace)
    for claim in claims:
        if claim and abs(claim / measured - 1) <= _SIMILAR:
            return _within(claim)
    nearest = min(_STANDARD_RATES, key=lambda rate: abs(rate - measured))
    if abs(nearest / measured - 1) <= _SAME:
        return nearest
    return _within(measured.limit_denominator(1001))


def capped_rate(rate: Fraction, most: float) -> Fraction:
    """Return the rate divided by the smallest whole number that brings it under ``most``: no judder, exact timing."""
    return rate / max(1, math.ceil(rate / Fraction(most).limit_denominator(1001)))


def _standard_from(pace: Fraction) -> Fraction:
    nearest = min(_STANDARD_RATES, key=lambda rate: abs(rate - pace))
    if abs(nearest / pace - 1) <= _SIMILAR:
        return nearest
    return next((rate for rate in _STANDARD_RATES if rate > pace), FASTEST)


def _within(rate: Fraction) -> Fraction:
    return min(max(rate, SLOWEST), FASTEST)


def _seconds(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:  # N/A
        return None
