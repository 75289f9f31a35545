import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from tasks.media.boxes import Box, boxes, read_segments

SYNC, NOT_SYNC = 0x2000000, 0x1010000


def box(kind: bytes, *content: bytes, large: bool = False) -> bytes:
    data = b"".join(content)
    if large:
        return struct.pack(">I4sQ", 1, kind, 16 + len(data)) + data
    return struct.pack(">I4s", 8 + len(data), kind) + data


def full(kind: bytes, flags: int, *numbers: int, version: int = 0) -> bytes:
    return box(kind, struct.pack(f">{1 + len(numbers)}I", version << 24 | flags, *numbers))


def header(timescale: int = 1000, defaults: Sequence[int] = (40, 10, SYNC), version: int = 0) -> bytes:
    times = (0, 0, 0, 0, timescale, 0, 0, 0) if version else (0, 0, timescale, 0, 0)
    media = box(b"trak", box(b"mdia", full(b"mdhd", 0, *times, version=version)))
    return box(b"ftyp", b"isom") + box(b"moov", media, box(b"mvex", full(b"trex", 0, 1, 1, *defaults)))


def fragment(*runs: bytes, start: int = 0, own: bytes = b"", media: int = 1000) -> bytes:
    time = full(b"tfdt", 0, 0, start, version=1)
    return box(b"moof", box(b"traf", own or full(b"tfhd", 0, 1), time, *runs)) + box(b"mdat", bytes(media))


@pytest.fixture
def initialisation(tmp_path: Path) -> Path:
    path = tmp_path / "init.mp4"
    path.write_bytes(header())
    return path


def part(initialisation: Path, content: bytes, name: str = "00001.m4s") -> Path:
    path = initialisation.with_name(name)
    path.write_bytes(content)
    return path


def test_boxes_are_found_without_reading_what_is_in_them() -> None:
    data = box(b"ftyp", b"isom") + box(b"mdat", bytes(9), large=True) + b"\0\0\0\0free" + bytes(5)

    assert list(boxes(io.BytesIO(data), len(data))) == [
        Box(b"ftyp", 8, 12),
        Box(b"mdat", 28, 37),
        Box(b"free", 45, 50),
    ]


@pytest.mark.parametrize("data", [box(b"mdat", bytes(9))[:-1], b"\0\0\0\7free", b"\0\0\0", b"\0\0\0\1free"])
def test_a_box_that_is_not_whole_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="not whole"):
        list(boxes(io.BytesIO(data), len(data)))


def test_samples_that_say_nothing_are_what_the_track_says(initialisation: Path) -> None:
    (segment,) = read_segments(initialisation, [part(initialisation, fragment(full(b"trun", 0, 5), start=80))])

    assert (segment.samples, segment.start_seconds, segment.lasts_seconds) == (
        5,
        Fraction(80, 1000),
        Fraction(200, 1000),
    )
    assert segment.begins_with_keyframe


def test_a_fragment_may_say_otherwise_than_the_track(initialisation: Path) -> None:
    # Base offset, description, duration and flags stand in the header; the size does not.
    own = full(b"tfhd", 0x1 | 0x2 | 0x8 | 0x20, 1, 0, 0, 1, 20, NOT_SYNC)

    (segment,) = read_segments(initialisation, [part(initialisation, fragment(full(b"trun", 0, 5), own=own))])

    assert segment.lasts_seconds == Fraction(100, 1000)
    assert not segment.begins_with_keyframe


def test_samples_may_say_otherwise_than_their_fragment(initialisation: Path) -> None:
    # Where the data lies, then per sample: duration, size, flags, composition offset.
    run = full(b"trun", 0x1 | 0x100 | 0x200 | 0x400 | 0x800, 2, 99, 30, 400, SYNC, 0, 50, 600, NOT_SYNC, 0)

    (segment,) = read_segments(initialisation, [part(initialisation, fragment(run))])

    assert (segment.samples, segment.lasts_seconds) == (2, Fraction(80, 1000))
    assert segment.begins_with_keyframe


def test_the_first_sample_may_say_otherwise_than_the_rest(initialisation: Path) -> None:
    run = full(b"trun", 0x4, 2, NOT_SYNC)

    (segment,) = read_segments(initialisation, [part(initialisation, fragment(run))])

    assert not segment.begins_with_keyframe


def test_runs_and_fragments_of_a_segment_are_added_up(initialisation: Path) -> None:
    run = full(b"trun", 0, 3)
    content = box(b"styp", b"msdh") + fragment(run, run, start=1000) + fragment(run, start=1240)

    (segment,) = read_segments(initialisation, [part(initialisation, content)])

    assert (segment.samples, segment.start_seconds, segment.lasts_seconds) == (9, 1, Fraction(360, 1000))


def test_times_may_be_long(initialisation: Path) -> None:
    initialisation.write_bytes(header(timescale=48_000, version=1))

    (segment,) = read_segments(initialisation, [part(initialisation, fragment(full(b"trun", 0, 1), start=48_000))])

    assert segment.start_seconds == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        box(b"styp", b"msdh"),
        fragment(full(b"trun", 0, 5))[:-1],
        fragment(full(b"trun", 0, 5), media=49),
        fragment(full(b"trun", 0, 0)),
        fragment(),
        fragment(full(b"trun", 0x100, 2**31)),
        fragment(full(b"trun", 0x200, 2, 10)),
        box(b"moof", box(b"traf", full(b"tfhd", 0, 1), full(b"trun", 0, 1))) + box(b"mdat", bytes(10)),
        box(b"moof") + box(b"mdat", bytes(10)),
        b"not an MP4 at all",
    ],
)
def test_a_segment_that_is_not_whole_is_an_error_that_names_it(initialisation: Path, content: bytes) -> None:
    good = part(initialisation, fragment(full(b"trun", 0, 5)))

    with pytest.raises(ValueError, match=r"^00002\.m4s: "):
        read_segments(initialisation, [good, part(initialisation, content, "00002.m4s")])


@pytest.mark.parametrize("content", [b"", b"nothing", header()[:-1], header(timescale=0), box(b"moov")])
def test_a_track_that_cannot_be_initialised_is_an_error(initialisation: Path, content: bytes) -> None:
    initialisation.write_bytes(content)

    with pytest.raises(ValueError, match=r"^init\.mp4: "):
        read_segments(initialisation, [])
