from fractions import Fraction
from pathlib import Path

import pytest

from tasks.media.timing import Timeline, read_timeline, sane_rate


def timeline_of(times: list[float], lasts: float = 0.04) -> Timeline:
    return Timeline(times, len(times), times[0], times[-1] - times[0] + lasts, times[-1] + lasts)


def every(gap: float, count: int = 100, digits: int = 6) -> list[float]:
    return [round(number * gap, digits) for number in range(count)]


@pytest.mark.parametrize(
    ("times", "claims", "rate"),
    [
        (every(1001 / 30000), (Fraction(30000, 1001),), Fraction(30000, 1001)),
        (every(1001 / 24000, digits=3), (Fraction(24000, 1001),), Fraction(24000, 1001)),
        (every(1 / 25), (Fraction(90000), None), Fraction(25)),
        (every(1 / 25), (Fraction(50), Fraction(25)), Fraction(25)),
        (every(1 / 18), (Fraction(1000), None), Fraction(18)),
        (every(30.0), (Fraction(1, 30),), Fraction(1, 10)),
        (every(1 / 480), (Fraction(480),), Fraction(240)),
        ([0.0], (Fraction(90000), None), Fraction(25)),
        ([0.0], (None, Fraction(30)), Fraction(30)),
    ],
)
def test_a_constant_rate_is_the_claim_that_the_packets_bear_out(
    times: list[float], claims: tuple[Fraction | None, ...], rate: Fraction
) -> None:
    timeline = timeline_of(times)

    assert not timeline.is_variable(0.001)
    assert sane_rate(timeline, claims, is_variable=False) == rate


def test_a_variable_rate_becomes_a_standard_one_that_keeps_every_picture() -> None:
    times = every(1 / 30, 60) + [2 + 0.2 * number for number in range(1, 20)]
    timeline = timeline_of(times)

    assert timeline.is_variable(1 / 12288)
    assert sane_rate(timeline, (Fraction(120), Fraction(26)), is_variable=True) == 30


def test_one_dropped_picture_makes_a_rate_variable() -> None:
    times = every(1 / 25)
    del times[50]

    assert timeline_of(times).is_variable(1 / 25)


def test_pictures_that_an_edit_list_cuts_do_not_count(tmp_path: Path) -> None:
    packets = tmp_path / "packets"
    packets.write_text("0,-0.04,-0.08,0.04,KD_\n0,0.00,-0.04,0.04,___\n1,0.0,0.0,5.0,K__\n\n0,0.04,0.00,0.04,___\n")

    timeline = read_timeline(packets, 0)

    assert list(timeline.picture_times) == [0.0, 0.04]
    assert timeline.picture_count == 2
    assert timeline.span_seconds == pytest.approx(0.08)
    assert timeline.all_streams_end_seconds == 5.0


def test_decoding_times_stand_in_where_presentation_times_are_missing(tmp_path: Path) -> None:
    packets = tmp_path / "packets"
    packets.write_text("0,0.54,0.50,0.04,K__\n0,N/A,0.54,0.04,___\n0,N/A,0.58,0.04,___\n")

    timeline = read_timeline(packets, 0)

    assert list(timeline.picture_times) == [0.50, 0.54, 0.58]
    assert timeline.start_seconds == 0.54
    assert timeline.span_seconds == pytest.approx(0.12)


def test_a_stream_without_times_has_only_a_count(tmp_path: Path) -> None:
    packets = tmp_path / "packets"
    packets.write_text("0,N/A,N/A,N/A,K__\n" * 3)

    timeline = read_timeline(packets, 0)

    assert (timeline.picture_count, list(timeline.picture_times)) == (3, [])
    assert not timeline.is_variable(0.001)
