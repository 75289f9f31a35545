"""Read CMAF tracks by their boxes (ISO/IEC 14496-12): whether segments are whole, what lies in them and when.

Only indexes are read, never media: a track of an hour costs a few hundred small reads, where counting with ffprobe
would read every byte.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

_NOT_A_KEYFRAME = 0x10000
# Optional fields of a track fragment's header and the bytes they take, in their order.
_HEADER_FIELDS = {0x1: 8, 0x2: 4, 0x8: 4, 0x10: 4, 0x20: 4}
# Optional columns of a run's table of samples, in their order: duration, size, flags, composition offset.
_DURATION, _SIZE, _FLAGS, _OFFSET = 0x100, 0x200, 0x400, 0x800


@dataclass(frozen=True)
class Box:
    """One box: where in its file or parent the content lies."""

    kind: bytes
    start: int
    end: int


@dataclass(frozen=True)
class MediaSegment:
    """What the index of one segment says."""

    samples: int
    start_seconds: Fraction
    """When its first sample is to be decoded."""
    lasts_seconds: Fraction
    begins_with_keyframe: bool


@dataclass(frozen=True)
class _Defaults:
    """What holds for samples that do not say otherwise."""

    duration: int
    size: int
    flags: int


@dataclass(frozen=True)
class _Run:
    """One table of samples, added up; the duration is in units of the track's timescale."""

    samples: int
    duration: int
    size_bytes: int
    first_flags: int


def boxes(stream: BinaryIO, end: int) -> Iterator[Box]:
    """Yield the boxes from the beginning of a stream to ``end``, seeking over their contents.

    Raises:
        ValueError: A box reaches beyond the end, or is none.
    """
    offset = 0
    while offset < end:
        stream.seek(offset)
        header = stream.read(16)
        length, kind, content = int.from_bytes(header[:4], "big"), header[4:8], 8
        if length == 1:
            length, content = int.from_bytes(header[8:16], "big"), 16
        elif length == 0:  # it lasts to the end
            length = end - offset
        if length < content or offset + length > end:
            raise ValueError(f"the box at byte {offset} is not whole")
        yield Box(kind, offset + content, offset + length)
        offset += length


def read_segments(initialisation: Path, parts: Sequence[Path]) -> tuple[MediaSegment, ...]:
    """Return what the indexes of a track's segments say.

    Args:
        initialisation: The track's initialisation section.
        parts: Its segments.

    Raises:
        ValueError: One of them is not whole; the message names it.
    """
    name = initialisation.name
    try:
        timescale, defaults = _track_header(initialisation)
        found = []
        for part in parts:
            name = part.name
            found.append(_segment(part, timescale, defaults))
    except (ValueError, struct.error) as error:
        raise ValueError(f"{name}: {error}") from error
    return tuple(found)


def _track_header(initialisation: Path) -> tuple[int, _Defaults]:
    data = _only(_contents(initialisation.read_bytes(), b"moov"))
    media = _only(_contents(_only(_contents(data, b"trak")), b"mdia"))
    header = _only(_contents(media, b"mdhd"))
    (timescale,) = struct.unpack_from(">I", header, 20 if header[:1] == b"\x01" else 12)
    if not timescale:
        raise ValueError("its timescale is 0")
    extends = _only(_contents(_only(_contents(data, b"mvex")), b"trex"))
    return timescale, _Defaults(*struct.unpack_from(">3I", extends, 12))


def _segment(path: Path, timescale: int, defaults: _Defaults) -> MediaSegment:
    starts: list[int] = []
    runs: list[_Run] = []
    room = 0
    with path.open("rb") as stream:
        for box in boxes(stream, path.stat().st_size):
            if box.kind == b"moof":
                stream.seek(box.start)
                start, found = _fragment(stream.read(box.end - box.start), defaults)
                starts.append(start)
                runs.extend(found)
            elif box.kind == b"mdat":
                room += box.end - box.start
    if not any(run.samples for run in runs):
        raise ValueError("nothing is in it")
    if sum(run.size_bytes for run in runs) > room:
        raise ValueError("its samples have no room in it")
    return MediaSegment(
        samples=sum(run.samples for run in runs),
        start_seconds=Fraction(starts[0], timescale),
        lasts_seconds=Fraction(sum(run.duration for run in runs), timescale),
        begins_with_keyframe=not runs[0].first_flags & _NOT_A_KEYFRAME,
    )


def _fragment(movie_fragment: bytes, defaults: _Defaults) -> tuple[int, list[_Run]]:
    """Return when a ``moof`` starts, in units of the track's timescale, and its tables of samples."""
    track = _only(_contents(movie_fragment, b"traf"))
    time = _only(_contents(track, b"tfdt"))
    (start,) = struct.unpack_from(">Q" if time[:1] == b"\x01" else ">I", time, 4)
    own = _own_defaults(_only(_contents(track, b"tfhd")), defaults)
    return start, [_run(run, own) for run in _contents(track, b"trun")]


def _own_defaults(header: bytes, defaults: _Defaults) -> _Defaults:
    present = int.from_bytes(header[1:4], "big")
    offset, found = 8, {0x8: defaults.duration, 0x10: defaults.size, 0x20: defaults.flags}
    for bit, length in _HEADER_FIELDS.items():
        if not present & bit:
            continue
        if bit in found:
            (found[bit],) = struct.unpack_from(">I", header, offset)
        offset += length
    return _Defaults(*found.values())


def _run(run: bytes, defaults: _Defaults) -> _Run:
    present = int.from_bytes(run[1:4], "big")
    (count,) = struct.unpack_from(">I", run, 4)
    offset = 8 + (4 if present & 0x1 else 0)
    first_flags = defaults.flags
    if present & 0x4:
        (first_flags,) = struct.unpack_from(">I", run, offset)
        offset += 4
    columns = [bit for bit in (_DURATION, _SIZE, _FLAGS, _OFFSET) if present & bit]
    table = struct.unpack_from(f">{count * len(columns)}I", run, offset)
    by_column = {bit: table[index :: len(columns)] for index, bit in enumerate(columns)}
    if _FLAGS in by_column and count:
        first_flags = by_column[_FLAGS][0]
    return _Run(
        samples=count,
        duration=sum(by_column.get(_DURATION, (count * defaults.duration,))),
        size_bytes=sum(by_column.get(_SIZE, (count * defaults.size,))),
        first_flags=first_flags,
    )


def _contents(data: bytes, kind: bytes) -> list[bytes]:
    return [data[box.start : box.end] for box in boxes(io.BytesIO(data), len(data)) if box.kind == kind]


def _only(found: list[bytes]) -> bytes:
    if len(found) != 1:
        raise ValueError("it is not a CMAF track")
    return found[0]
