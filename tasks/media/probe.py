"""Find out what a source is, and refuse with a typed error what is not a video that can be published.

Three looks, each cheaper than the next: the file's first bytes (`sniff`), ffprobe on its headers, ffprobe over all of
its packets. What only decoding shows, such as damage in the middle, is left to the encoder and the publish gate.
"""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from data.domain.assets import AudioFacts, SourceFacts, VideoFacts
from data.domain.errors import (
    CorruptInputError,
    DataError,
    EncodeFailedError,
    InputTooLargeError,
    NotMediaError,
    SourceNotFoundError,
    TruncatedInputError,
    UnsupportedInputError,
)
from data.domain.sniffing import Kind, Sniffed, is_cut_short, sniff
from tasks.media.process import Limits, run_tool
from tasks.media.timing import Timeline, read_timeline, sane_rate
from tasks.media.tools import Toolset

MAX_PIXELS = 67_108_864

_FORMATS = "mov,matroska,avi,mpeg,mpegts,flv,ogg,asf,mp3,wav,aac,flac,m4v,h264,hevc,mxf"
# `-protocol_whitelist file` alone does not hold: a DASH manifest named .mp4 reads other local videos. The format list
# does, since none of these demuxers opens another file. `-protocol_whitelist fd -fd 3` would hold too, but a descriptor
# cannot be handed to a command that is logged, repeated and built as text.
SAFE_INPUT_ARGUMENTS: tuple[str, ...] = (
    *("-format_whitelist", _FORMATS),
    *("-protocol_whitelist", "file"),
    *("-max_pixels", str(MAX_PIXELS)),
)
"""What stands before the ``-i`` of every foreign file, for ffmpeg and ffprobe alike; `safe_input` adds the ``-i``."""

PROBE_LIMITS = Limits(soft_seconds=900.0, hard_seconds=930.0, stall_seconds=60.0)

_LARGEST_ANSWER_BYTES = 16 * 1024**2
_MOST_TAGS = 64
_LONGEST_TAG = 500
_LONGEST_TAG_NAME = 64
_LEAST_SCORE = 26
"""Below this ffprobe guessed: random bytes often look like MPEG or MP3 to it."""
_STRANGEST_PIXEL = Fraction(16)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_DEEP_FORMAT = re.compile(r"(9|10|12|14|16|32)(?:le|be)$")
_REFUSED_SIZE = re.compile(r"Picture size (\d{1,9})x(\d{1,9}) (?:exceeds|is invalid)")
_HDR_TRANSFERS = {"smpte2084", "arib-std-b67"}
_INTERLACED_ORDERS = {"tt", "bb", "tb", "bt"}
# Elsewhere the structure shows a cut, or the stated duration is often that of another file (Matroska after an edit).
_TOLD_BY_DURATION = {"flv", "mxf"}
_UNUSED_DISPOSITIONS = ("attached_pic", "timed_thumbnails")


def safe_input(path: Path, *, max_pixels: int = MAX_PIXELS) -> list[str]:
    """Return the arguments that open a foreign file so that it can make ffmpeg open nothing else.

    Args:
        path: The file; its name may hold anything.
        max_pixels: Most pixels in one picture.
    """
    arguments = list(SAFE_INPUT_ARGUMENTS)
    arguments[-1] = str(max_pixels)
    return [*arguments, "-i", f"file:{path.absolute()}"]


def probe(
    path: Path,
    tools: Toolset,
    *,
    max_pixels: int = MAX_PIXELS,
    limits: Limits = PROBE_LIMITS,
    scratch: Path | None = None,
    run_id: str = "",
) -> SourceFacts:
    """Read a file to its end, without decoding it, and return its facts.

    Args:
        path: The source.
        tools: Where ffprobe is.
        max_pixels: Most pixels in one picture.
        limits: Time limits in seconds of each of the two runs of ffprobe.
        scratch: Folder for the packet list (about 40 bytes a packet); ``None`` takes the system's.
        run_id: Marks the processes for a later sweep.

    Raises:
        SourceNotFoundError: There is no such file.
        NotMediaError: Empty, text, or bytes without meaning.
        UnsupportedInputError: A playlist, a picture, sound alone, or a kind of media that is not taken.
        CorruptInputError: A known container whose headers make no sense, or which holds no picture.
        TruncatedInputError: The file ends before its own header says it does.
        InputTooLargeError: More pixels than ``max_pixels``.
        InfrastructureError: ffprobe was killed, stalled, ran too long, or found the disk full.
    """
    if not path.is_file():
        raise SourceNotFoundError("There is no such file.", {"name": _clean(path.name, _LONGEST_TAG)})
    sniffed = sniff(path)
    _refuse_by_kind(sniffed)
    with tempfile.TemporaryDirectory(prefix="dailies-probe-", dir=scratch) as folder:
        look = _Look(path, sniffed, tools, max_pixels, limits, Path(folder), run_id)
        headers = look.headers()
        video = look.picture(headers)
        timeline = look.timeline(headers, int(video["index"]))
    return _facts(path, headers, video, timeline)


def probe_sound(
    path: Path,
    tools: Toolset,
    *,
    max_pixels: int = MAX_PIXELS,
    limits: Limits = PROBE_LIMITS,
    scratch: Path | None = None,
    run_id: str = "",
) -> AudioFacts:
    """Return the facts of what is heard of a file, be it a sound file or a video.

    Args:
        path: The file.
        tools: Where ffprobe is.
        max_pixels: Most pixels in one picture, where it has any.
        limits: Time limits in seconds of ffprobe.
        scratch: Folder for what ffprobe says; ``None`` takes the system's.
        run_id: Marks the process for a later sweep.

    Raises:
        SourceNotFoundError: There is no such file.
        NotMediaError: Empty, text, or bytes without meaning.
        UnsupportedInputError: A playlist, a picture, a kind of media that is not taken, or a video without sound.
        CorruptInputError: A known container whose headers make no sense.
        TruncatedInputError: The file ends before its own header says it does.
        InfrastructureError: ffprobe was killed, stalled, ran too long, or found the disk full.
    """
    if not path.is_file():
        raise SourceNotFoundError("There is no such file.", {"name": _clean(path.name, _LONGEST_TAG)})
    sniffed = sniff(path)
    _refuse_by_kind(sniffed)
    with tempfile.TemporaryDirectory(prefix="dailies-probe-", dir=scratch) as folder:
        look = _Look(path, sniffed, tools, max_pixels, limits, Path(folder), run_id)
        return look.sound(look.headers())


def _refuse_by_kind(sniffed: Sniffed) -> None:
    facts = {"kind": sniffed.kind.value, "format": sniffed.format_name}
    match sniffed.kind:
        case Kind.EMPTY:
            raise NotMediaError("The file is empty.", facts)
        case Kind.PLAYLIST:
            raise UnsupportedInputError(
                f"This is a playlist ({sniffed.format_name}), which only points at media elsewhere: "
                "hand in the video file itself.",
                facts,
            )
        case Kind.PICTURE:
            raise UnsupportedInputError(f"This is a still picture ({sniffed.format_name}), not a video.", facts)
        case Kind.OTHER_MEDIA:
            raise UnsupportedInputError(
                f"{sniffed.format_name} files are not taken: convert it to MP4, Matroska or MOV first.", facts
            )
        case Kind.MEDIA | Kind.UNKNOWN:
            return


class _Look:
    """The two looks that ffprobe takes at one file."""

    def __init__(
        self,
        path: Path,
        sniffed: Sniffed,
        tools: Toolset,
        max_pixels: int,
        limits: Limits,
        folder: Path,
        run_id: str,
    ) -> None:
        self._path = path
        self._sniffed = sniffed
        self._tools = tools
        self._max_pixels = max_pixels
        self._limits = limits
        self._folder = folder
        self._run_id = run_id

    def headers(self) -> dict[str, Any]:
        """Return what ffprobe reads from the beginning of the file."""
        try:
            answer = self._ask("headers", "-of", "json", "-show_format", "-show_streams")
        except EncodeFailedError as error:
            self._refuse_too_large(*_refused_size(str(error.facts["stderr_tail"])))
            raise self._unreadable() from error
        if answer.stat().st_size > _LARGEST_ANSWER_BYTES:
            raise CorruptInputError("The headers of the file are absurdly large.")
        headers: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8", errors="replace"))
        return headers

    def picture(self, headers: Mapping[str, Any]) -> dict[str, Any]:
        """Return ffprobe's account of the stream that is the picture."""
        streams = headers.get("streams", [])
        moving = [stream for stream in streams if stream.get("codec_type") == "video" and not _is_cover(stream)]
        for stream in moving:
            self._refuse_too_large(int(stream.get("width") or 0), int(stream.get("height") or 0))
        usable = [stream for stream in moving if stream.get("width") and stream.get("height")]
        known = [stream for stream in usable if stream.get("codec_name", "unknown") not in ("unknown", "none")]
        if known:
            return _default_of(known)
        self._refuse_without_picture(headers, has_video=bool(moving), has_size=bool(usable))
        raise self._unreadable()

    def sound(self, headers: Mapping[str, Any]) -> AudioFacts:
        """Return what is heard."""
        if self._is_guess(headers) or self._is_cut_short():
            raise self._unreadable()
        heard = [stream for stream in headers.get("streams", []) if _is_usable_sound(stream)]
        if not heard:
            raise UnsupportedInputError("The file holds no sound.", {"format": headers["format"].get("format_name")})
        return _audio_facts(_default_of(heard))

    def _is_guess(self, headers: Mapping[str, Any]) -> bool:
        return self._sniffed.kind is Kind.UNKNOWN and headers["format"].get("probe_score", 0) < _LEAST_SCORE

    def _refuse_without_picture(self, headers: Mapping[str, Any], *, has_video: bool, has_size: bool) -> None:
        if has_size:
            raise UnsupportedInputError("The video is in a codec that is not known.")
        has_sound = any(stream.get("codec_type") == "audio" for stream in headers.get("streams", []))
        if has_sound and not has_video and not self._is_guess(headers) and not self._is_cut_short():
            raise UnsupportedInputError(
                "The file holds sound but no moving picture (cover art does not count): hand in a video.",
                {"format": headers["format"].get("format_name")},
            )

    def timeline(self, headers: Mapping[str, Any], stream_index: int) -> Timeline:
        """Return the times of all pictures, from reading the file to its end."""
        try:
            packets = self._ask(
                "packets",
                "-of",
                "csv=p=0",
                "-show_entries",
                "packet=stream_index,pts_time,dts_time,duration_time,flags",
            )
        except EncodeFailedError as error:
            raise self._unreadable() from error
        timeline = read_timeline(packets, stream_index)
        stated = _number(headers["format"].get("duration"))
        missing = stated + min(0.0, _number(headers["format"].get("start_time"))) - timeline.all_streams_end_seconds
        is_short = self._sniffed.format_name in _TOLD_BY_DURATION and missing > _allowed_to_miss(stated)
        if is_short or self._is_cut_short():
            raise _truncated()
        if timeline.picture_count == 0:
            raise CorruptInputError("The file announces a picture but holds none.")
        return timeline

    def _refuse_too_large(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise InputTooLargeError(
                f"The picture is {width}x{height}: more than {self._max_pixels} pixels.",
                {"width": width, "height": height, "max_pixels": self._max_pixels},
            )

    def _ask(self, name: str, *arguments: str) -> Path:
        answer = self._folder / name
        argv: list[str | Path] = [self._tools.ffprobe, "-hide_banner", "-v", "error", *arguments]
        run_tool(
            [*argv, *safe_input(self._path, max_pixels=self._max_pixels)],
            log_path=self._folder / f"{name}.log",
            stdout_path=answer,
            limits=self._limits,
            run_id=self._run_id,
        )
        return answer

    def _is_cut_short(self) -> bool:
        return is_cut_short(self._path, self._sniffed.format_name)

    def _unreadable(self) -> DataError:
        """Return the right error for a file that ffprobe cannot make sense of."""
        if self._sniffed.kind is Kind.UNKNOWN:
            return NotMediaError("The bytes of the file are not a video of any kind that is taken.")
        if self._is_cut_short():
            return _truncated()
        facts = {"format": self._sniffed.format_name}
        return CorruptInputError(f"The headers of the {self._sniffed.format_name} file cannot be read.", facts)


def _refused_size(complaint: str) -> tuple[int, int]:
    """Return the size of a picture that ffprobe would not open for its size; zeros when that was not the reason."""
    match = _REFUSED_SIZE.search(complaint)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def _truncated() -> TruncatedInputError:
    return TruncatedInputError("The file ends before its own header says it does: copy or upload it again.")


def _allowed_to_miss(stated_seconds: float) -> float:
    """Return how many seconds a whole file may fall short of its header; writers round and count loosely."""
    return 0.2 + min(0.02 * stated_seconds, 2.0)


def _facts(path: Path, headers: Mapping[str, Any], video: Mapping[str, Any], timeline: Timeline) -> SourceFacts:
    container = headers["format"]
    audio = [stream for stream in headers["streams"] if _is_usable_sound(stream)]
    facts = _video_facts(video, timeline)
    return SourceFacts(
        container=str(container["format_name"]),
        duration_seconds=_duration(container, video, timeline, facts.frame_rate),
        start_seconds=timeline.start_seconds,
        picture_delay_seconds=_picture_delay(headers, timeline),
        size_bytes=path.stat().st_size,
        video=facts,
        audio=_audio_facts(_default_of(audio)) if audio else None,
        tags=_tags(container.get("tags", {})),
    )


def _video_facts(stream: Mapping[str, Any], timeline: Timeline) -> VideoFacts:
    pixel_format = str(stream.get("pix_fmt") or "unknown")
    coded_width, coded_height = int(stream["width"]), int(stream["height"])
    pixel_aspect = _pixel_aspect(stream)
    rotation = _rotation(stream)
    width, height = max(1, round(coded_width * pixel_aspect)), coded_height
    if rotation in (90, 270):
        width, height = height, width
    is_variable = timeline.is_variable(float(_fraction(stream.get("time_base")) or 0))
    claims = (_fraction(stream.get("r_frame_rate")), _fraction(stream.get("avg_frame_rate")))
    return VideoFacts(
        stream_index=int(stream["index"]),
        codec=str(stream["codec_name"]),
        width=width,
        height=height,
        coded_width=coded_width,
        coded_height=coded_height,
        frame_rate=sane_rate(timeline, claims, is_variable=is_variable),
        is_variable_rate=is_variable,
        packet_count=timeline.picture_count,
        rotation_degrees=rotation,
        pixel_format=pixel_format,
        bit_depth=_bit_depth(pixel_format),
        color_matrix=_told(stream.get("color_space")),
        is_hdr=stream.get("color_transfer") in _HDR_TRANSFERS,
        is_interlaced=stream.get("field_order") in _INTERLACED_ORDERS,
        has_square_pixels=pixel_aspect == 1,
    )


def _audio_facts(stream: Mapping[str, Any]) -> AudioFacts:
    language = _clean(str(stream.get("tags", {}).get("language", "")), 16)
    return AudioFacts(
        stream_index=int(stream["index"]),
        codec=str(stream["codec_name"]),
        channels=int(stream["channels"]),
        sample_rate_hz=int(stream["sample_rate"]),
        language=None if language in ("", "und") else language,
    )


def _duration(
    container: Mapping[str, Any], video: Mapping[str, Any], timeline: Timeline, frame_rate: Fraction
) -> float:
    one_frame = float(1 / frame_rate)
    if not timeline.picture_times:  # a raw stream: pictures without times
        return max(timeline.picture_count * one_frame, one_frame)
    measured = timeline.span_seconds
    # The last packet need not say how long it lasts.
    if measured <= timeline.picture_times[-1] - timeline.picture_times[0]:
        measured += one_frame
    if len(timeline.picture_times) == 1:
        measured = max(measured, _number(video.get("duration")))
    return max(measured, one_frame)


def _picture_delay(headers: Mapping[str, Any], timeline: Timeline) -> float:
    """Return how long the file runs before its first picture: ffmpeg counts from where the file starts."""
    start = headers["format"].get("start_time")
    return round(max(0.0, timeline.start_seconds - _number(start)), 6) if start is not None else 0.0


def _told(value: object) -> str | None:
    return None if value in (None, "", "unknown", "reserved", "unspecified") else str(value)


def _is_cover(stream: Mapping[str, Any]) -> bool:
    return any(stream.get("disposition", {}).get(name) for name in _UNUSED_DISPOSITIONS)


def _is_usable_sound(stream: Mapping[str, Any]) -> bool:
    return (
        stream.get("codec_type") == "audio"
        and stream.get("codec_name", "unknown") not in ("unknown", "none")
        and int(stream.get("channels") or 0) > 0
        and int(stream.get("sample_rate") or 0) > 0
    )


def _default_of(streams: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return next((stream for stream in streams if stream.get("disposition", {}).get("default")), streams[0])


def _pixel_aspect(stream: Mapping[str, Any]) -> Fraction:
    aspect = _fraction(str(stream.get("sample_aspect_ratio", "")).replace(":", "/"))
    is_sane = aspect is not None and 1 / _STRANGEST_PIXEL <= aspect <= _STRANGEST_PIXEL
    return aspect if aspect is not None and is_sane else Fraction(1)


def _rotation(stream: Mapping[str, Any]) -> int:
    """Return by how many degrees, clockwise and in quarter turns, the picture must be turned to stand upright."""
    for side_data in stream.get("side_data_list", []):
        if "rotation" in side_data:  # ffprobe counts counterclockwise
            return round(-_number(side_data["rotation"]) / 90) * 90 % 360
    return 0


def _bit_depth(pixel_format: str) -> int:
    if pixel_format.startswith(("rgb48", "bgr48", "rgba64", "bgra64")):
        return 16
    match = _DEEP_FORMAT.search(pixel_format)
    return int(match.group(1)) if match else 8


def _tags(tags: Mapping[str, Any]) -> dict[str, str]:
    names = list(tags)[:_MOST_TAGS]
    return {_clean(name, _LONGEST_TAG_NAME): _clean(str(tags[name]), _LONGEST_TAG) for name in names}


def _clean(text: str, longest: int) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())[:longest]


def _fraction(text: object) -> Fraction | None:
    try:
        value = Fraction(str(text))
    except (ValueError, ZeroDivisionError):  # N/A, 0/0, 0/1 for "unknown"
        return None
    return value if value > 0 else None


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:  # None, N/A
        return 0.0
