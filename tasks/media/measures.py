"""Read what ffmpeg counted and measured from the log it left; pure text, one line at a time.

Expects ``-loglevel verbose`` (frames decoded, decode errors) and the filters ``blackdetect``, ``silencedetect`` and
``ebur128`` somewhere in the graph; what was not measured is simply absent.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from data.domain.publications import SourceMeasures

_SILENT_LUFS = -70.0
"""The absolute gate of BS.1770: what ebur128 says of sound that never passes it."""

_INPUT_FILE = re.compile(r"Input file #\d+ \((.*)\):$")
_INPUT = re.compile(
    r"Input stream #\d+:\d+ \((video|audio)\): (\d+) packets read .*?; (\d+) frames decoded; (\d+) decode errors"
)
_COUNTED = re.compile(r"\[fps@(\S+) @ .*\] \d+ frames in, (\d+) frames out;")
_PATCHED = "corrupt decoded frame"
_OUTPUT_FILE = re.compile(r"Output file #\d+ \((.*)\):$")
_OUTPUT = re.compile(r"Output stream #\d+:\d+ \((video|audio)\): (\d+) frames encoded(?: \((\d+) samples\))?")
_BLACK = re.compile(r"blackdetect.*\bblack_start:\s*([\d.]+) black_end:\s*([\d.]+) black_duration:\s*([\d.]+)")
_SILENCE_START = re.compile(r"silencedetect.*\bsilence_start:\s*(-?[\d.]+)")
_SILENCE_END = re.compile(r"silencedetect.*\bsilence_end:.*\bsilence_duration:\s*([\d.]+)")
_TRUE_PEAK = re.compile(r"^\s+Peak:\s+(-?[\d.]+|-inf|nan) dBFS")
_LOUDNESS = re.compile(r"^\s+I:\s+(-?[\d.]+|-inf|nan) LUFS")


@dataclass
class Decoded:
    """What was read from the input's streams of one kind, summed."""

    packets: int = 0
    frames: int = 0
    errors: int = 0


@dataclass
class Encoded:
    """What was written to one output file, streams of one kind summed."""

    frames: int = 0
    samples: int = 0


@dataclass
class ToolLog:
    """One ffmpeg run by its own account; filled while its log is read."""

    decoded: dict[str, Decoded] = field(default_factory=dict)
    """By kind: ``video``, ``audio``."""
    encoded: dict[tuple[str, str], Encoded] = field(default_factory=dict)
    """By output path and kind."""
    patched_frames: int = 0
    """Pictures of the input in which the decoder filled damaged parts as well as it could; no error to it."""
    black_seconds: float = 0.0
    black_spells: list[tuple[float, float]] = field(default_factory=list)
    """When each of them begins and ends, in seconds."""
    silent_seconds: float = 0.0
    silent_since: float | None = None
    """Start of a silence that the log never ends."""
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None
    """Only where ``ebur128`` was asked for peaks."""
    decoded_by_file: dict[str, dict[str, Decoded]] = field(default_factory=dict)
    """By input path and kind."""

    counted: dict[str, int] = field(default_factory=dict)
    """Frames that came out of filters ``fps`` with a name of their own, by that name."""

    def of_input(self, path: Path | str) -> "ToolLog":
        """Return the log as if only one of several inputs had been read."""
        return replace(self, decoded=self.decoded_by_file.get(str(path), {}))

    @property
    def has_damage(self) -> bool:
        """Whether any picture of the input could not be decoded, or not whole."""
        return self.patched_frames > 0 or ("video" in self.decoded and self.decoded["video"].errors > 0)

    def frames_to(self, path: Path | str) -> int:
        """Return how many pictures went to an output file."""
        return self.encoded.get((str(path), "video"), Encoded()).frames

    def measures(self, duration_seconds: float, *, has_audio: bool) -> SourceMeasures:
        """Return the measurements as shares of a duration in seconds."""
        silent = self.silent_seconds
        if self.silent_since is not None:
            silent += max(0.0, duration_seconds - self.silent_since)
        return SourceMeasures(
            decoded_frames=self.decoded.get("video", Decoded()).frames,
            black_share=_share(self.black_seconds, duration_seconds),
            silence_share=_share(silent, duration_seconds) if has_audio else None,
            loudness_lufs=self.loudness_lufs if has_audio else None,
        )


def read_log(path: Path) -> ToolLog:
    """Read the log of a finished ffmpeg run."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        return parse_log(lines)


def parse_log(lines: Iterable[str]) -> ToolLog:
    """Return what the lines of an ffmpeg log tell."""
    log = ToolLog()
    source = output = ""
    for line in lines:
        text = line.rstrip()
        if match := _OUTPUT_FILE.search(text):
            output = match[1]
        elif _PATCHED in text:
            log.patched_frames += 1
        elif match := _OUTPUT.search(text):
            encoded = log.encoded.setdefault((output, match[1]), Encoded())
            encoded.frames += int(match[2])
            encoded.samples += int(match[3] or 0)
        elif match := _INPUT_FILE.search(text):
            source = match[1]
        elif match := _INPUT.search(text):
            for account in (log.decoded, log.decoded_by_file.setdefault(source, {})):
                decoded = account.setdefault(match[1], Decoded())
                decoded.packets += int(match[2])
                decoded.frames += int(match[3])
                decoded.errors += int(match[4])
        elif match := _COUNTED.search(text):  # also once before anything runs: of a graph that was only tried
            log.counted[match[1]] = max(log.counted.get(match[1], 0), int(match[2]))
        else:
            _take_measurement(log, text)
    return log


def _take_measurement(log: ToolLog, text: str) -> None:
    if match := _BLACK.search(text):
        log.black_spells.append((float(match[1]), float(match[2])))
        log.black_seconds += float(match[3])
    elif match := _SILENCE_START.search(text):
        log.silent_since = max(0.0, float(match[1]))
    elif match := _SILENCE_END.search(text):
        log.silent_seconds += float(match[1])
        log.silent_since = None
    elif match := _LOUDNESS.match(text):
        loudness = float(match[1])
        log.loudness_lufs = loudness if loudness > _SILENT_LUFS else None
    elif match := _TRUE_PEAK.match(text):
        log.true_peak_dbtp = float(match[1])


def _share(part_seconds: float, whole_seconds: float) -> float:
    return round(min(1.0, part_seconds / whole_seconds), 4) if whole_seconds > 0 else 0.0
