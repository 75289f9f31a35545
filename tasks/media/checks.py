"""The publish gate: is this candidate, exactly as it will be published, fit to be seen?

It trusts nothing that transcode said about itself. The playlists are followed file by file; the lowest rung with the
sound is played through the master playlist to its end; the other rungs must have the same pictures, packet by packet,
and decode at both ends. A full decode of every rung would cost as much as the encode and, the rungs being made in one
process from one picture, finds nothing more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Literal

from data.domain.assets import SourceFacts
from data.domain.publications import GateCheck, GateReport, Package, Rendition, SourceMeasures
from data.domain.recipes import GateOptions
from tasks.media.inspection import Inspector, Track, has_index_in_front, jpeg_size
from tasks.media.measures import Decoded, ToolLog
from tasks.media.playlists import attributes, dash_summary, media_renditions, segments, variants
from tasks.media.process import Limits
from tasks.media.tools import Toolset

_NEARLY_ALL = 0.98
_CLEARLY_LESS = 0.9
_LOUDNESS_DRIFT_LU = 3.0
_DEFAULT_LIMITS = Limits()


def check_candidate(
    directory: Path,
    package: Package,
    facts: SourceFacts,
    options: GateOptions,
    *,
    tools: Toolset,
    scratch: Path,
    limits: Limits = _DEFAULT_LIMITS,
    run_id: str = "",
) -> GateReport:
    """Examine a complete candidate; a finding against it is part of the report, not an error.

    Args:
        directory: The candidate, exactly as it will be published.
        package: What transcode says that it made.
        facts: What probing found in the source.
        options: How strict to be.
        tools: The programs.
        scratch: Directory for logs.
        limits: Time limits in seconds, for each program run.
        run_id: Marks the processes for a later sweep.

    Raises:
        InfrastructureError: A tool was killed, stalled, missing, or ran out of time or disk.
    """
    inspector = Inspector(tools, scratch, limits, run_id)
    candidate = _Candidate(directory, package, facts, options, inspector)
    checks = list(candidate.structure())
    if all(check.outcome == "passed" for check in checks):
        # Only what the playlists rightly name can be played.
        checks += candidate.playback()
    return GateReport(checks=tuple(checks))


@dataclass(frozen=True)
class _Candidate:
    directory: Path
    package: Package
    facts: SourceFacts
    options: GateOptions
    inspector: Inspector

    @property
    def drift_seconds(self) -> float:
        return self.options.max_duration_drift_seconds

    def structure(self) -> Iterator[GateCheck]:
        """Everything that reading without decoding tells."""
        missing = sorted(name for name in self._promised() if not self._is_ours(name))
        yield _check("files", missing, "Every file that the package promises is there.", "Missing: ")
        if missing:
            return
        yield self._read("hls", self._hls_problems)
        yield self._read("dash", self._dash_problems)
        yield _check("images", list(self._image_problems()), "Poster and sprite are whole JPEGs of the right size.")

    def playback(self) -> Iterator[GateCheck]:
        """Everything that decoding tells."""
        lowest = self.package.renditions[-1]
        log = self._play(lowest)
        problems = list(self._decode_problems(lowest, log))
        yield _check("decode", problems, f"{lowest.name} with its sound plays to the end through the master playlist.")
        yield _check("rungs", list(self._rung_problems()), "All rungs have the same pictures and decode at both ends.")
        yield _check("mp4", list(self._mp4_problems()), "The progressive MP4 is whole, its index in front.")
        if log is not None:
            yield self._duration(log, lowest)
            measures = log.measures(self.package.duration_seconds, has_audio=self.package.audio is not None)
            yield from _measured(measures, self.package.measures, self.options)

    def _promised(self) -> set[str]:
        package = self.package
        names = {package.master_path, package.dash_path, package.mp4_path, package.poster_path}
        names |= {package.sprite.image_path, package.sprite.vtt_path}
        for track in (*package.renditions, *([package.audio] if package.audio else [])):
            names |= {track.media_path, track.playlist_path}
        return names

    def _is_ours(self, name: str) -> bool:
        """A relative path to a file with content that lies inside the candidate."""
        pure = PurePosixPath(name)
        if not name or "://" in name or pure.is_absolute() or ".." in pure.parts:
            return False
        path = self.directory / name
        is_inside = path.resolve().is_relative_to(self.directory.resolve())
        return is_inside and path.is_file() and path.stat().st_size > 0

    def _text(self, name: str) -> str:
        return (self.directory / name).read_text(encoding="utf-8")

    def _read(self, name: Literal["hls", "dash"], problems: "_Problems") -> GateCheck:
        good = f"The {name.upper()} playlist is complete and every file it names is there."
        try:
            return _check(name, list(problems()), good)
        except (ValueError, KeyError, IndexError) as error:
            return _check(name, [f"it cannot be read: {error}"], good)

    def _hls_problems(self) -> Iterator[str]:
        master = self._text(self.package.master_path)
        found = {(item.playlist_path, item.width, item.height) for item in variants(master)}
        promised = {(item.playlist_path, item.width, item.height) for item in self.package.renditions}
        if found != promised:
            yield f"the master playlist names {sorted(found)} instead of {sorted(promised)}"
        media = media_renditions(master)
        kinds = [item["TYPE"] for item in media]
        if kinds.count("AUDIO") != (1 if self.package.audio else 0):
            yield f"the master playlist names {kinds.count('AUDIO')} sounds"
        for playlist in [path for path, _, _ in found] + [item["URI"] for item in media]:
            yield from self._media_playlist_problems(playlist)
        for item in media:
            if item["TYPE"] == "SUBTITLES" and self._is_ours(item["URI"]):
                yield from self._caption_problems(item["URI"])

    def _media_playlist_problems(self, playlist: str) -> Iterator[str]:
        if not self._is_ours(playlist):
            yield f"{playlist} is missing or lies outside"
            return
        parts = segments(self._text(playlist))
        lasts = sum(part.seconds for part in parts)
        if abs(lasts - self.package.duration_seconds) > self.drift_seconds:
            yield f"{playlist} lasts {lasts:.2f} s instead of {self.package.duration_seconds:.2f} s"
        for path in {part.path for part in parts}:
            if not self._is_ours(path):
                yield f"{path}, named by {playlist}, is missing or lies outside"
                continue
            size = (self.directory / path).stat().st_size
            end = max(part.offset + (part.length or 0) for part in parts if part.path == path)
            if end and end != size:
                yield f"{playlist} addresses {end} bytes of {path}, which has {size}"

    def _caption_problems(self, playlist: str) -> Iterator[str]:
        for part in segments(self._text(playlist)):
            if self._is_ours(part.path) and not self._text(part.path).startswith("WEBVTT"):
                yield f"{part.path} is not WebVTT"

    def _dash_problems(self) -> Iterator[str]:
        summary = dash_summary(self._text(self.package.dash_path))
        if abs(summary.duration_seconds - self.package.duration_seconds) > self.drift_seconds:
            yield f"it lasts {summary.duration_seconds:.2f} s"
        tracks = (*self.package.renditions, *([self.package.audio] if self.package.audio else []))
        left_out = {track.media_path for track in tracks} - set(summary.paths)
        yield from (f"it does not name {path}" for path in sorted(left_out))
        yield from (f"{path} is missing or lies outside" for path in summary.paths if not self._is_ours(path))

    def _image_problems(self) -> Iterator[str]:
        sprite, top = self.package.sprite, self.package.renditions[0]
        rows = -(-sprite.count // sprite.columns)
        sizes = {
            self.package.poster_path: (top.width, top.height),
            sprite.image_path: (sprite.columns * sprite.tile_width, rows * sprite.tile_height),
        }
        for name, size in sizes.items():
            found = jpeg_size(self.directory / name)
            if found is None:
                yield f"{name} is not a whole JPEG"
            elif found != size:
                yield f"{name} is {found[0]}x{found[1]} instead of {size[0]}x{size[1]}"

    def _play(self, rendition: Rendition) -> ToolLog | None:
        master = self.directory / self.package.master_path
        order = [item.playlist_path for item in variants(self._text(self.package.master_path))]
        has_audio = self.package.audio is not None
        return self.inspector.decode_variant(master, order.index(rendition.playlist_path), has_audio=has_audio)

    def _decode_problems(self, rendition: Rendition, log: ToolLog | None) -> Iterator[str]:
        if log is None:
            yield f"{rendition.name} does not decode"
            return
        picture, sound = log.decoded.get("video", Decoded()), log.decoded.get("audio", Decoded())
        if picture.errors or sound.errors:
            yield f"{picture.errors} pictures and {sound.errors} stretches of sound are damaged"
        if picture.frames != rendition.frame_count:
            yield f"{rendition.name} gives {picture.frames} of {rendition.frame_count} frames"
        if self.package.audio is None:
            return
        samples = sum(item.samples for (_, kind), item in log.encoded.items() if kind == "audio")
        lasts = samples / self.package.audio.sample_rate_hz
        if abs(lasts - self.package.duration_seconds) > self.drift_seconds:
            yield f"the sound lasts {lasts:.2f} s instead of {self.package.duration_seconds:.2f} s"

    def _rung_problems(self) -> Iterator[str]:
        *others, lowest = self.package.renditions
        for rendition in (*others, lowest):
            tracks = self.inspector.tracks(self.directory / rendition.media_path)
            yield from _track_problems(rendition, tracks.get("video"))
        for rendition in others:
            yield from self._end_problems(rendition.media_path, rendition)

    def _end_problems(self, media_path: str, rendition: Rendition) -> Iterator[str]:
        ends = self.inspector.decode_ends(self.directory / media_path, self.package.duration_seconds)
        if ends is None:
            yield f"{media_path} does not decode"
            return
        # Two seconds, less a frame on either side of the cut.
        expected = min(rendition.frame_count, int(2 * Fraction(rendition.frame_rate))) - 2
        for place, decoded in zip(("beginning", "end"), ends, strict=True):
            if decoded.errors or decoded.frames < max(1, expected):
                yield f"{media_path} does not decode at its {place}: {decoded.frames} frames, {decoded.errors} errors"

    def _mp4_problems(self) -> Iterator[str]:
        name = self.package.mp4_path
        tracks = self.inspector.tracks(self.directory / name)
        picture = tracks.get("video")
        rendition = next((item for item in self.package.renditions if _is_of_size(picture, item)), None)
        if picture is None or rendition is None:
            yield f"{name} holds no picture of a rung's size"
            return
        if picture.packets != rendition.frame_count:
            yield f"{name} has {picture.packets} of {rendition.frame_count} frames"
        if ("audio" in tracks) != (self.package.audio is not None):
            yield f"{name} {'has' if 'audio' in tracks else 'lacks'} sound"
        for kind, track in tracks.items():
            if abs(track.duration_seconds - self.package.duration_seconds) > self.drift_seconds:
                yield f"the {kind} of {name} lasts {track.duration_seconds:.2f} s"
        if not has_index_in_front(self.directory / name):
            yield f"the index of {name} is not in front"
        yield from self._end_problems(name, rendition)

    def _duration(self, log: ToolLog, rendition: Rendition) -> GateCheck:
        frames = log.decoded.get("video", Decoded()).frames
        lasts = float(frames / Fraction(rendition.frame_rate))
        drift = lasts - self.facts.duration_seconds
        detail = f"{lasts:.3f} s, {drift:+.3f} s against the source."
        return GateCheck(
            name="duration", outcome="passed" if abs(drift) <= self.drift_seconds else "refused", detail=detail
        )


class _Problems:
    """Type of a bound method that yields problems."""

    def __call__(self) -> Iterator[str]:
        raise NotImplementedError


def _is_of_size(track: Track | None, rendition: Rendition) -> bool:
    return track is not None and (track.width, track.height) == (rendition.width, rendition.height)


def _track_problems(rendition: Rendition, track: Track | None) -> Iterator[str]:
    if track is None:
        yield f"{rendition.media_path} holds no picture"
    elif not _is_of_size(track, rendition):
        yield f"{rendition.media_path} is {track.width}x{track.height} instead of {rendition.width}x{rendition.height}"
    elif track.packets != rendition.frame_count:
        yield f"{rendition.media_path} has {track.packets} of {rendition.frame_count} frames"


def _measured(candidate: SourceMeasures, source: SourceMeasures, options: GateOptions) -> Iterator[GateCheck]:
    """Compare what is seen and heard with the source; what the source itself lacks is a warning at most."""
    yield _share_check("black", candidate.black_share, source.black_share, refuse=options.refuse_black)
    if candidate.silence_share is None:
        return
    yield _share_check("silence", candidate.silence_share, source.silence_share or 0.0, refuse=options.refuse_silence)
    if candidate.loudness_lufs is not None and source.loudness_lufs is not None:
        drift = candidate.loudness_lufs - source.loudness_lufs
        yield GateCheck(
            name="loudness",
            outcome="passed" if abs(drift) <= _LOUDNESS_DRIFT_LU else "warned",
            detail=f"{candidate.loudness_lufs:.1f} LUFS, {drift:+.1f} LU against the source.",
        )


def _share_check(name: str, candidate: float, source: float, *, refuse: bool) -> GateCheck:
    detail = f"{candidate:.0%} of the candidate and {source:.0%} of the source."
    if candidate < _NEARLY_ALL:
        return GateCheck(name=name, outcome="passed", detail=detail)
    is_new = source < _CLEARLY_LESS
    return GateCheck(name=name, outcome="refused" if refuse and is_new else "warned", detail=detail)


def _check(name: str, problems: list[str], good: str, prefix: str = "") -> GateCheck:
    if not problems:
        return GateCheck(name=name, outcome="passed", detail=good)
    return GateCheck(name=name, outcome="refused", detail=prefix + "; ".join(problems) + ".")
