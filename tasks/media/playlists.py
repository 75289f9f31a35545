"""HLS and DASH playlists as text: tidy what the packager writes, and add captions to it. Pure.

A caption file is one WebVTT that lasts as long as the video: one segment in HLS, one representation in DASH.
"""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from xml.sax.saxutils import quoteattr

from tasks.media.languages import short_language

_DASH = "urn:mpeg:dash:schema:mpd:2011"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_CAPTION_GROUP = "subs"
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')
_NUMBER = re.compile(r"\$Number(?:%(0\d+d))?\$")
_CLOCK = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?")


@dataclass(frozen=True)
class CaptionRendition:
    """Captions of one language beside a video's playlists; paths are relative to the master playlist."""

    language: str
    """BCP 47 (``en``)."""
    label: str
    """What the player's menu shows."""
    playlist_path: str
    vtt_path: str


@dataclass(frozen=True)
class Variant:
    """One rung as the master playlist names it."""

    playlist_path: str
    width: int
    height: int
    codecs: tuple[str, ...]


@dataclass(frozen=True)
class Segment:
    """One segment of a media playlist: a file, played whole."""

    path: str
    seconds: float


@dataclass(frozen=True)
class MediaPlaylist:
    """What one track is played from."""

    initialisation: str | None
    """Path of what comes before the first segment; ``None`` for captions."""
    segments: tuple[Segment, ...]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return sum(segment.seconds for segment in self.segments)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file it names, in the order in which they are played."""
        first = (self.initialisation,) if self.initialisation else ()
        return (*first, *(segment.path for segment in self.segments))


def without_generator_lines(text: str) -> str:
    """Return a playlist without the packager's advertisement and the empty lines it leaves."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("## Generated with")]
    return re.sub(r"<!--Generated with.*?-->", "", "\n".join(lines) + "\n", flags=re.DOTALL)


def with_sound(master: str, language: str | None) -> str:
    """Return a master playlist whose sound plays unasked and tells its language.

    Safari leaves a group without a default silent. The packager is not told the language, since it refuses to work
    when it does not know one.
    """
    spoken = f'LANGUAGE="{_quotable(short_language(language))}",' if language else ""
    return re.sub(r"(#EXT-X-MEDIA:TYPE=AUDIO.*?,)(NAME=.*?)DEFAULT=NO", rf"\1{spoken}\2DEFAULT=YES", master)


def dash_with_sound(mpd: str, language: str | None) -> str:
    """Return a DASH playlist that tells the language of its sound."""
    if not language:
        return mpd
    return mpd.replace('contentType="audio"', f'contentType="audio" lang={quoteattr(short_language(language))}')


def variants(master: str) -> tuple[Variant, ...]:
    """Return the rungs that a master playlist names, in its order.

    Raises:
        ValueError: A variant has no address or no resolution.
    """
    found = []
    lines = [line.strip() for line in master.splitlines() if line.strip()]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if not line.startswith("#EXT-X-STREAM-INF:"):
            continue
        values = attributes(line)
        width, _, height = values.get("RESOLUTION", "").partition("x")
        if not following or following.startswith("#") or not (width.isdigit() and height.isdigit()):
            raise ValueError(f"a variant without address or resolution: {line}")
        found.append(Variant(following, int(width), int(height), tuple(values.get("CODECS", "").split(","))))
    return tuple(found)


def media_renditions(master: str) -> tuple[dict[str, str], ...]:
    """Return the attributes of every ``EXT-X-MEDIA`` line: sound and captions."""
    return tuple(attributes(line) for line in master.splitlines() if line.startswith("#EXT-X-MEDIA:"))


def attributes(line: str) -> dict[str, str]:
    """Return the attribute list of a playlist tag, quotes removed."""
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(line.partition(":")[2])}


def media_playlist(text: str) -> MediaPlaylist:
    """Return what a media playlist that has come to its end names.

    Raises:
        ValueError: The playlist is not complete, is not of whole files, or a number in it is not one.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != "#EXTM3U" or lines[-1] != "#EXT-X-ENDLIST":
        raise ValueError("not a complete playlist")
    if "BYTERANGE" in text:
        raise ValueError("it names parts of files")
    initialisation: str | None = None
    found: list[Segment] = []
    seconds = 0.0
    for line in lines:
        if line.startswith("#EXT-X-MAP:"):
            if initialisation or found:
                raise ValueError("it initialises the track midway")
            initialisation = attributes(line).get("URI")
        elif line.startswith("#EXTINF:"):
            seconds = _seconds(line.removeprefix("#EXTINF:").partition(",")[0])
        elif not line.startswith("#"):
            found.append(Segment(line, seconds))
            seconds = 0.0
    return MediaPlaylist(initialisation, tuple(found))


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < math.inf:  # float() takes "nan" and "inf", which no comparison would find out
        raise ValueError(f"{text} is not a duration")
    return seconds


def caption_playlist(vtt_path: str, duration_seconds: float) -> str:
    """Return an HLS media playlist that plays one WebVTT file over the whole duration (seconds)."""
    return (
        "#EXTM3U\n#EXT-X-VERSION:6\n"
        f"#EXT-X-TARGETDURATION:{max(1, math.ceil(duration_seconds))}\n"
        "#EXT-X-PLAYLIST-TYPE:VOD\n"
        f"#EXTINF:{duration_seconds:.3f},\n{vtt_path}\n#EXT-X-ENDLIST\n"
    )


def with_captions(master: str, tracks: Sequence[CaptionRendition]) -> str:
    """Return a master playlist that offers the captions with every variant; without tracks the same text.

    Captions are found by players but never forced on: ``DEFAULT=NO``, ``AUTOSELECT=YES``, ``FORCED=NO``.
    """
    if not tracks:
        return master
    lines: list[str] = []
    announced = False
    for line in master.splitlines():
        if line.startswith("#EXT-X-STREAM-INF:"):
            if not announced:
                lines.extend(_caption_line(track) for track in tracks)
                announced = True
            line = f'{line},SUBTITLES="{_CAPTION_GROUP}"'
        lines.append(line)
    return "\n".join(lines) + "\n"


def _caption_line(track: CaptionRendition) -> str:
    return (
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="{_CAPTION_GROUP}",NAME="{_quotable(track.label)}",'
        f'LANGUAGE="{_quotable(track.language)}",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,'
        f'URI="{_quotable(track.playlist_path)}"'
    )


def _quotable(text: str) -> str:
    """What may stand in a quoted attribute: neither quotes nor line ends (RFC 8216, 4.2)."""
    return re.sub(r'["\r\n]', "", text)


def dash_with_captions(mpd: str, tracks: Sequence[CaptionRendition]) -> str:
    """Return a DASH playlist with one text adaptation set a language; without tracks the same text.

    Raises:
        ValueError: The text is not an MPD with a period.
    """
    if not tracks:
        return mpd
    root = _parsed(mpd)
    period = root.find(f"{{{_DASH}}}Period")
    if period is None:
        raise ValueError("the MPD has no Period")
    for track in tracks:
        period.append(_text_set(track))
    ET.register_namespace("", _DASH)
    ET.register_namespace("xsi", _XSI)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _text_set(track: CaptionRendition) -> ET.Element:
    group = ET.Element(f"{{{_DASH}}}AdaptationSet", contentType="text", mimeType="text/vtt", lang=track.language)
    ET.SubElement(group, f"{{{_DASH}}}Role", schemeIdUri="urn:mpeg:dash:role:2011", value="caption")
    ET.SubElement(group, f"{{{_DASH}}}Label").text = track.label
    representation = ET.SubElement(
        group, f"{{{_DASH}}}Representation", id=f"captions-{track.language}", bandwidth="1000"
    )
    ET.SubElement(representation, f"{{{_DASH}}}BaseURL").text = track.vtt_path
    return group


@dataclass(frozen=True)
class DashSummary:
    """What the gate needs of an MPD."""

    duration_seconds: float
    paths: tuple[str, ...]
    """Every file it names."""


def dash_summary(mpd: str) -> DashSummary:
    """Return duration and files of a DASH playlist.

    Raises:
        ValueError: The text is not an MPD, or its duration cannot be read.
    """
    root = _parsed(mpd)
    clock = _CLOCK.fullmatch(root.get("mediaPresentationDuration", ""))
    if clock is None:
        raise ValueError("the MPD does not tell its duration")
    hours, minutes, seconds = (Fraction(part or 0) for part in clock.groups())
    paths = [(element.text or "").strip() for element in root.iter(f"{{{_DASH}}}BaseURL")]
    for template in root.iter(f"{{{_DASH}}}SegmentTemplate"):
        paths.extend(_template_paths(template))
    return DashSummary(float(hours * 3600 + minutes * 60 + seconds), tuple(paths))


def _template_paths(template: ET.Element) -> Iterator[str]:
    """Spell out the files of one ``SegmentTemplate`` with a timeline (ISO/IEC 23009-1, 5.3.9.4 and 5.3.9.6)."""
    yield template.get("initialization", "")
    count = sum(1 + int(element.get("r", "0")) for element in template.iter(f"{{{_DASH}}}S"))
    first = int(template.get("startNumber", "1"))
    for number in range(first, first + count):
        yield _numbered(template.get("media", ""), number)


def _numbered(path: str, number: int) -> str:
    return _NUMBER.sub(lambda found: f"{number:{found[1] or 'd'}}", path)


def _parsed(mpd: str) -> ET.Element:
    try:
        root = ET.fromstring(mpd)  # noqa: S314 - written by our packager, and nothing foreign is put in unescaped
    except ET.ParseError as error:
        raise ValueError(f"the MPD is not XML: {error}") from error
    if root.tag != f"{{{_DASH}}}MPD":
        raise ValueError("the XML is not an MPD")
    return root
