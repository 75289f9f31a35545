"""Tell from a file's own bytes, never its name, what kind of thing it is and whether all of it is there.

ffmpeg reads some three hundred formats, among them text files that make it open other files and hosts. This look comes
first and costs a few kilobytes, so that such a file is refused by name before any program of ours opens it.
"""

import re
import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

HEAD_BYTES = 8192
_MOST_BOXES = 1_000_000
_UNKNOWN_SIZE = 0


class Kind(StrEnum):
    """What a file is, as far as its first bytes tell."""

    EMPTY = "empty"
    MEDIA = "media"
    PLAYLIST = "playlist"
    PICTURE = "picture"
    OTHER_MEDIA = "other media"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Sniffed:
    """The kind of a file, and the name of its format for people."""

    kind: Kind
    format_name: str = ""


_PICTURE_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MOV_BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx"}
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_EBML_HEADER = b"\x1a\x45\xdf\xa3"
_MATROSKA_SEGMENT = b"\x18\x53\x80\x67"

_SIGNATURES: tuple[tuple[bytes, Kind, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", Kind.PICTURE, "PNG"),
    (b"\xff\xd8\xff", Kind.PICTURE, "JPEG"),
    (b"GIF8", Kind.PICTURE, "GIF"),
    (b"II*\0", Kind.PICTURE, "TIFF"),
    (b"MM\0*", Kind.PICTURE, "TIFF"),
    (b"8BPS", Kind.PICTURE, "Photoshop"),
    (b"\0\0\1\0\1", Kind.PICTURE, "icon"),
    (b"\x76\x2f\x31\x01", Kind.PICTURE, "OpenEXR"),
    (b"SDPX", Kind.PICTURE, "DPX"),
    (b"XPDS", Kind.PICTURE, "DPX"),
    (b"qoif", Kind.PICTURE, "QOI"),
    (b"\0\0\0\x0cjP  ", Kind.PICTURE, "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", Kind.PICTURE, "JPEG XL"),
    (_EBML_HEADER, Kind.MEDIA, "matroska"),
    (b"FLV\x01", Kind.MEDIA, "flv"),
    (b"OggS", Kind.MEDIA, "ogg"),
    (b"ID3", Kind.MEDIA, "mp3"),
    *((b"\xff" + byte, Kind.MEDIA, "mp3") for byte in (b"\xfb", b"\xfa", b"\xf3", b"\xf2")),
    *((b"\xff" + byte, Kind.MEDIA, "aac") for byte in (b"\xf1", b"\xf9")),
    (b"fLaC", Kind.MEDIA, "flac"),
    (_ASF_HEADER, Kind.MEDIA, "asf"),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", Kind.MEDIA, "mxf"),
    (b"\0\0\1\xba", Kind.MEDIA, "mpeg"),
    (b"\0\0\1\xb3", Kind.OTHER_MEDIA, "raw MPEG video"),
    (b".RMF", Kind.OTHER_MEDIA, "RealMedia"),
    (b"DKIF", Kind.OTHER_MEDIA, "IVF"),
    (b"YUV4MPEG2", Kind.OTHER_MEDIA, "YUV4MPEG"),
    (b"nut/multimedia container\0", Kind.OTHER_MEDIA, "NUT"),
    (b"MThd", Kind.OTHER_MEDIA, "MIDI"),
    (b"FWS", Kind.OTHER_MEDIA, "Flash"),
    (b"CWS", Kind.OTHER_MEDIA, "Flash"),
)

_TEXTS: tuple[tuple[re.Pattern[bytes], Kind, str], ...] = (
    (re.compile(rb"#extm3u", re.I), Kind.PLAYLIST, "HLS playlist"),
    (re.compile(rb"ffconcat\s+version", re.I), Kind.PLAYLIST, "ffconcat list"),
    (re.compile(rb"v=0\r?\n", re.I), Kind.PLAYLIST, "SDP session description"),
    (re.compile(rb"\[(playlist|reference|internetshortcut)\]", re.I), Kind.PLAYLIST, "playlist"),
    (re.compile(rb"(rtsp|rtmp|https?|file)://", re.I), Kind.PLAYLIST, "list of addresses"),
    (re.compile(rb"(<\?xml|<!--|<).*?<?(\w+:)?mpd[\s>]", re.I | re.S), Kind.PLAYLIST, "DASH manifest"),
    (re.compile(rb"(<\?xml|<!--|<).*?<?(smil|asx|playlist)[\s>]", re.I | re.S), Kind.PLAYLIST, "playlist"),
    (re.compile(rb"(<\?xml|<!--|<).*?<?(\w+:)?svg[\s>]", re.I | re.S), Kind.PICTURE, "SVG"),
    (re.compile(rb"(file|stream)\s+['\"/\w]", re.I), Kind.PLAYLIST, "concat list"),
)


def sniff(path: Path) -> Sniffed:
    """Say what kind of file it is, from its first 8 KiB.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as stream:
        return sniff_head(stream.read(HEAD_BYTES))


def sniff_head(head: bytes) -> Sniffed:
    """Say what kind of file begins like that; the first 8 KiB are looked at."""
    if not head:
        return Sniffed(Kind.EMPTY)
    return _binary(head[:HEAD_BYTES]) or _text(head[:HEAD_BYTES]) or Sniffed(Kind.UNKNOWN)


_HTML = re.compile(rb"<(!doctype|html|head|body|script|iframe|\?xml|!--|svg)", re.I)
_PARQUET = b"PAR1"


def refusal_of_upload(head: bytes) -> str | None:
    """Say why a file that begins like that is not taken as an upload; ``None`` when it is.

    Taken are media, pictures (for generations and brands), and texts and tables (manifests, scripts, captions). What is
    in a picture or a video only ingest finds out, which decodes it.
    """
    sniffed = sniff_head(head)
    if sniffed.kind is Kind.MEDIA or (sniffed.kind is Kind.PICTURE and sniffed.format_name != "SVG"):
        return None
    if sniffed.kind is not Kind.UNKNOWN:
        return sniffed.format_name or sniffed.kind.value
    if head.startswith(_PARQUET):
        return None
    text = head[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf")
    if _HTML.match(text.lstrip()):
        return "HTML or XML"
    if text.startswith(b"#!"):
        return "script"
    return None if _is_text(text) else "unknown content"


def _is_text(head: bytes) -> bool:
    """Say whether it is UTF-8 without control characters; its last character may be cut off."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) < HEAD_BYTES:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\r\n\t\f" for character in text)


def is_cut_short(path: Path, format_name: str) -> bool:
    """Say whether a file ends before its own outermost structure says it does.

    Reads only box headers. Streams (MPEG-TS, Ogg, live Matroska) promise no length: for them the answer is no.

    Args:
        path: The file.
        format_name: What ``sniff`` called it.
    """
    size_bytes = path.stat().st_size
    with path.open("rb") as stream:
        match format_name:
            case "mov":
                return _is_mov_cut_short(stream, size_bytes)
            case "matroska":
                promised = _matroska_end(stream.read(HEAD_BYTES))
            case "avi":
                promised = 8 + struct.unpack("<I", stream.read(8)[4:])[0]
            case "asf":
                promised = _asf_end(stream.read(HEAD_BYTES))
            case _:
                return False
    return promised > size_bytes


def _binary(head: bytes) -> Sniffed | None:
    for signature, kind, name in _SIGNATURES:
        if head.startswith(signature):
            return Sniffed(kind, name)
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return Sniffed(Kind.PICTURE, "BMP")
    if head[4:8] in _MOV_BOXES:
        is_picture = head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS
        return Sniffed(Kind.PICTURE, "HEIF") if is_picture else Sniffed(Kind.MEDIA, "mov")
    if head[:4] == b"RIFF":
        forms = {b"AVI ": (Kind.MEDIA, "avi"), b"WAVE": (Kind.MEDIA, "wav"), b"WEBP": (Kind.PICTURE, "WebP")}
        return Sniffed(*forms[head[8:12]]) if head[8:12] in forms else None
    if any(_has_sync_bytes(head, start, step) for start, step in ((0, 188), (4, 192), (0, 204))):
        return Sniffed(Kind.MEDIA, "mpegts")
    return None


def _has_sync_bytes(head: bytes, start: int, step: int) -> bool:
    places = head[start : start + 5 * step : step]
    return len(places) >= 3 and set(places) == {0x47}


def _text(head: bytes) -> Sniffed | None:
    text = head.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")  # also what UTF-16 leaves of ASCII
    text = text.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").lstrip()
    for pattern, kind, name in _TEXTS:
        if pattern.match(text):
            return Sniffed(kind, name)
    return None


def _is_mov_cut_short(stream: IO[bytes], size_bytes: int) -> bool:
    position = 0
    seen: set[bytes] = set()
    for _ in range(_MOST_BOXES):
        stream.seek(position)
        header = stream.read(16)
        if len(header) < 8:
            break
        box_bytes, name = struct.unpack(">I4s", header[:8])
        if box_bytes == 1 and len(header) == 16:
            box_bytes = struct.unpack(">Q", header[8:])[0]
        elif box_bytes == 0:
            box_bytes = size_bytes - position
        if box_bytes < 8:  # garbage after the last box, which players ignore
            break
        seen.add(name)
        position += box_bytes
        if name in (b"mdat", b"moov", b"moof") and position > size_bytes:
            return True
    return b"moov" not in seen and not {b"ftyp", b"mdat"}.isdisjoint(seen)


def _matroska_end(head: bytes) -> int:
    """Return where the segment says it ends; 0 when it does not say (live) or is not there."""
    size, size_length = _vint(head, 4)
    start = 4 + size_length + size
    if head[start : start + 4] != _MATROSKA_SEGMENT:
        return _UNKNOWN_SIZE
    size, size_length = _vint(head, start + 4)
    is_unknown = size == (1 << (7 * size_length)) - 1
    return _UNKNOWN_SIZE if is_unknown else start + 4 + size_length + size


def _vint(data: bytes, position: int) -> tuple[int, int]:
    """Return an EBML number and its length in bytes."""
    first = data[position] if position < len(data) else 0
    length = 9 - first.bit_length()
    if length > 8:
        return 0, 1
    value = int.from_bytes(data[position : position + length]) & ((1 << (7 * length)) - 1)
    return value, length


def _asf_end(head: bytes) -> int:
    place = head.find(_ASF_FILE_PROPERTIES)
    field = head[place + 40 : place + 48]
    return struct.unpack("<Q", field)[0] if place >= 0 and len(field) == 8 else _UNKNOWN_SIZE
