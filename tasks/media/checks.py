"""The publish gate: is this candidate, exactly as it will be published, fit to be seen?

It trusts nothing that transcode said about itself. The playlists are followed file by file and the index of every
segment is read; the lowest rung with the sound is played through the master playlist to its end; the other rungs must
have as many pictures by their indexes and decode at both ends. The progressive MP4 holds one rung's pictures packet by
packet. A full decode of every rung would cost as much as the encode and, the rungs being made in one process from one
picture, finds nothing more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from data.domain.assets import SourceFacts
from data.domain.publications import GateCheck, GateReport, Package, Rendition, SourceMeasures
from data.domain.recipes import GateOptions
from tasks.media.candidate import CandidateFiles, verdict
from tasks.media.inspection import Inspector, Track, has_index_in_front
from tasks.media.measures import Decoded, ToolLog
from tasks.media.packaging import join_segments
from tasks.media.playlists import MediaPlaylist, media_playlist, variants
from tasks.media.process import Limits
from tasks.media.tools import Toolset

_NEARLY_ALL = 0.98
_CLEARLY_LESS = 0.9
_LOUDNESS_DRIFT_LU = 3.0
_ENDS_SECONDS = 2.0
_ENDS_FRAMES = 4
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
        scratch: Directory for logs and, for a moment, the ends of each rung.
        limits: Time limits in seconds, for each program run.
        run_id: Marks the processes for a later sweep.

    Raises:
        InfrastructureError: A tool was killed, stalled, missing, or ran out of time or disk.
    """
    files = CandidateFiles(directory, package, options.max_duration_drift_seconds)
    checks = list(files.checks())
    if all(check.outcome == "passed" for check in checks):
        # Only what the playlists rightly name can be played.
        inspector = Inspector(tools, scratch, limits, run_id)
        checks += _Playback(files, facts, options, inspector).checks()
    return GateReport(checks=tuple(checks))


@dataclass(frozen=True)
class _Playback:
    """A candidate whose files are in order, to be played."""

    files: CandidateFiles
    facts: SourceFacts
    options: GateOptions
    inspector: Inspector

    @property
    def directory(self) -> Path:
        return self.files.directory

    @property
    def package(self) -> Package:
        return self.files.package

    def checks(self) -> Iterator[GateCheck]:
        """Yield what decoding tells."""
        lowest = self.package.renditions[-1]
        log = self._play(lowest)
        problems = list(self._decode_problems(lowest, log))
        yield verdict("decode", problems, f"{lowest.name} with its sound plays to the end through the master playlist.")
        yield verdict("rungs", list(self._rung_problems()), "All rungs have the same pictures and decode at both ends.")
        yield verdict(
            "mp4",
            list(self._mp4_problems()),
            "The progressive MP4 is whole: a rung, packet by packet.",
        )
        if self.package.audio_path is not None:
            yield verdict(
                "audio", list(self._audio_problems(self.package.audio_path)), "The file of the sound is whole."
            )
        if log is not None:
            yield self._duration(log, lowest)
            measures = log.measures(self.package.duration_seconds, has_audio=self.package.audio is not None)
            yield from _measured(measures, self.package.measures, self.options)

    def _play(self, rendition: Rendition) -> ToolLog | None:
        master = self.directory / self.package.master_path
        order = [item.playlist_path for item in variants(master.read_text(encoding="utf-8"))]
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
        if abs(lasts - self.package.duration_seconds) > self.options.max_duration_drift_seconds:
            yield f"the sound lasts {lasts:.2f} s instead of {self.package.duration_seconds:.2f} s"

    def _rung_problems(self) -> Iterator[str]:
        *others, lowest = self.package.renditions
        for rendition in (*others, lowest):
            yield from self._track_problems(rendition)
        for rendition in others:
            with TemporaryDirectory(dir=self.inspector.scratch) as folder:
                head, tail = self._ends_of(rendition, Path(folder))
                yield from self._end_problems(rendition.name, rendition, head, tail)

    def _ends_of(self, rendition: Rendition, folder: Path) -> tuple[Path, Path]:
        """Join the first and the last segments, as many as the ends are long.

        ffmpeg seeks in a playlist only to the next keyframe, so that of the last seconds it may show a single frame.
        """
        playlist, length = rendition.playlist_path, _ends_length(rendition)
        seconds = [segment.seconds for segment in self._media_playlist(rendition).segments]
        first, last = slice(_enough(seconds, length)), slice(-_enough(seconds[::-1], length), None)
        head = join_segments(self.directory, playlist, folder / "head.mp4", first)
        return head, join_segments(self.directory, playlist, folder / "tail.mp4", last)

    def _media_playlist(self, rendition: Rendition) -> MediaPlaylist:
        return media_playlist((self.directory / rendition.playlist_path).read_text(encoding="utf-8"))

    def _track_problems(self, rendition: Rendition) -> Iterator[str]:
        name = rendition.name
        initialisation = self._media_playlist(rendition).paths[0]
        track = self.inspector.tracks(self.directory / initialisation).get("video")
        if track is None:
            yield f"{name} holds no picture"
        elif not _is_of_size(track, rendition):
            yield f"{name} is {track.width}x{track.height} instead of {rendition.width}x{rendition.height}"
        found = sum(segment.samples for segment in self.files.segments(rendition))
        if found != rendition.frame_count:
            yield f"{name} has {found} of {rendition.frame_count} frames"

    def _end_problems(self, name: str, rendition: Rendition, head: Path, tail: Path) -> Iterator[str]:
        rate, length = Fraction(rendition.frame_rate), _ends_length(rendition)
        start = max(0.0, self.package.duration_seconds - length) if head == tail else 0.0
        ends = self.inspector.decode_ends(head, tail, start, length)
        if ends is None:
            yield f"{name} does not decode"
            return
        # Less a frame on either side of the cut.
        expected = min(rendition.frame_count, int(length * rate)) - 2
        for place, decoded in zip(("beginning", "end"), ends, strict=True):
            if decoded.errors or decoded.frames < max(1, expected):
                yield f"{name} does not decode at its {place}: {decoded.frames} frames, {decoded.errors} errors"

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
            if abs(track.duration_seconds - self.package.duration_seconds) > self.options.max_duration_drift_seconds:
                yield f"the {kind} of {name} lasts {track.duration_seconds:.2f} s"
        if not has_index_in_front(self.directory / name):
            yield f"the index of {name} is not in front"
        packets = [self.inspector.picture_hash(self.directory / path) for path in (name, rendition.playlist_path)]
        if None in packets or len(set(packets)) > 1:
            yield f"{name} does not hold the same pictures as {rendition.name}"

    def _audio_problems(self, name: str) -> Iterator[str]:
        tracks = self.inspector.tracks(self.directory / name)
        sound = tracks.get("audio")
        if sound is None or len(tracks) > 1:
            yield f"{name} holds {' and '.join(tracks) or 'nothing'}"
        elif abs(sound.duration_seconds - self.package.duration_seconds) > self.options.max_duration_drift_seconds:
            yield f"{name} lasts {sound.duration_seconds:.2f} s"

    def _duration(self, log: ToolLog, rendition: Rendition) -> GateCheck:
        frames = log.decoded.get("video", Decoded()).frames
        lasts = float(frames / Fraction(rendition.frame_rate))
        edit = self.package.edit
        drift = lasts - (edit.duration_seconds if edit else self.facts.duration_seconds)
        outcome: Literal["passed", "refused"] = "passed"
        if abs(drift) > self.options.max_duration_drift_seconds:
            outcome = "refused"
        detail = f"{lasts:.3f} s, {drift:+.3f} s against {'what its edits promised' if edit else 'the source'}."
        return GateCheck(name="duration", outcome=outcome, detail=detail)


def _ends_length(rendition: Rendition) -> float:
    """How many seconds at either end are decoded."""
    return max(_ENDS_SECONDS, float(_ENDS_FRAMES / Fraction(rendition.frame_rate)))


def _enough(seconds: Sequence[float], length: float) -> int:
    """How many of these durations, from the first on, last that long together; all if they never do."""
    return next((count for count, lasts in enumerate(accumulate(seconds), 1) if lasts >= length), len(seconds))


def _is_of_size(track: Track | None, rendition: Rendition) -> bool:
    return track is not None and (track.width, track.height) == (rendition.width, rendition.height)


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
