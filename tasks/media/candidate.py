"""The files of a candidate and what they say of one another: everything the gate finds without decoding."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Literal

from data.domain.publications import AudioRendition, GateCheck, Package, Rendition
from tasks.media.boxes import MediaSegment, read_segments
from tasks.media.inspection import jpeg_size
from tasks.media.playlists import MediaPlaylist, dash_summary, media_playlist, media_renditions, variants
from tasks.media.preview import frame_count

_SAME_SECONDS = 0.001


def verdict(name: str, problems: list[str], good: str, prefix: str = "") -> GateCheck:
    """Return a passed check, or one that is refused for all its problems."""
    if not problems:
        return GateCheck(name=name, outcome="passed", detail=good)
    return GateCheck(name=name, outcome="refused", detail=prefix + "; ".join(problems) + ".")


@dataclass(frozen=True)
class CandidateFiles:
    """A directory as it will be published, held against what transcode says that it made."""

    directory: Path
    package: Package
    drift_seconds: float
    """By how much durations may differ."""

    def checks(self) -> Iterator[GateCheck]:
        """Yield what reading without decoding tells."""
        astray = list(self._file_problems())
        yield verdict("files", astray, "Every file that the package promises is there.")
        if astray:
            return
        hls, dash = self._read("hls", self._hls_problems), self._read("dash", self._dash_problems)
        yield from (hls, dash)
        if hls.outcome == dash.outcome == "passed":
            yield verdict(
                "segments",
                [*self._difference_problems(), *self._segment_problems()],
                "HLS and DASH play the same segments. All are whole and follow one another, and those of all rungs "
                "begin together with a keyframe.",
            )
        yield verdict(
            "images",
            list(self._image_problems()),
            "Poster, sprite and what previews are whole pictures of the right size.",
        )

    @property
    def _tracks(self) -> tuple[Rendition | AudioRendition, ...]:
        audio = self.package.audio
        return (*self.package.renditions, audio) if audio else self.package.renditions

    def _file_problems(self) -> Iterator[str]:
        package = self.package
        named = {package.master_path, package.dash_path, package.mp4_path, package.poster_path}
        named |= {package.sprite.image_path, package.sprite.vtt_path, *(track.playlist_path for track in self._tracks)}
        named |= {path for path in (package.preview_path, package.audio_path) if path}
        media = (package.mp4_path, *(track.media_prefix for track in self._tracks))
        for name in sorted(named | set(package.files)):
            if not self._is_ours(name):
                yield f"{name} is missing or lies outside"
                continue
            size = (self.directory / name).stat().st_size
            # Playlists gain captions and the poster is chosen later, but nothing changes media.
            if name.startswith(media) and size != package.files.get(name, size):
                yield f"{name} has {size} of {package.files[name]} bytes"

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

    def _read(self, name: Literal["hls", "dash"], problems: Callable[[], Iterator[str]]) -> GateCheck:
        good = f"The {name.upper()} playlist is complete and every file it names is there."
        try:
            return verdict(name, list(problems()), good)
        except (ValueError, KeyError, IndexError) as error:
            return verdict(name, [f"it cannot be read: {error}"], good)

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
        for track in self._tracks:
            yield from self._track_problems(track)
        for item in media:
            if item["TYPE"] == "SUBTITLES" and self._is_ours(item["URI"]):
                yield from self._caption_problems(item["URI"])

    def _media_playlist_problems(self, playlist: str) -> Iterator[str]:
        if not self._is_ours(playlist):
            yield f"{playlist} is missing or lies outside"
            return
        found = self._media_playlist(playlist)
        if abs(found.seconds - self.package.duration_seconds) > self.drift_seconds:
            yield f"{playlist} lasts {found.seconds:.2f} s instead of {self.package.duration_seconds:.2f} s"
        for path in sorted(set(found.paths)):
            if not self._is_ours(path):
                yield f"{path}, named by {playlist}, is missing or lies outside"

    def _media_playlist(self, playlist: str) -> MediaPlaylist:
        return media_playlist(self._text(playlist))

    def _track_problems(self, track: Rendition | AudioRendition) -> Iterator[str]:
        """A track is played from its own folder, and all of that is played."""
        playlist = self._media_playlist(track.playlist_path)
        if playlist.initialisation is None or not playlist.segments:
            yield f"{track.playlist_path} names no segments"
        named = set(playlist.paths)
        if len(named) < len(playlist.paths):
            yield f"{track.playlist_path} names a file twice"
        folder = self.directory / track.media_prefix
        there = {path.relative_to(self.directory).as_posix() for path in folder.rglob("*") if not path.is_dir()}
        yield from (f"{track.playlist_path} does not name {path}" for path in sorted(there - named))
        yield from (f"{path} is not in {track.media_prefix}" for path in sorted(named - there) if self._is_ours(path))

    def _caption_problems(self, playlist: str) -> Iterator[str]:
        for path in self._media_playlist(playlist).paths:
            if self._is_ours(path) and not self._text(path).startswith("WEBVTT"):
                yield f"{path} is not WebVTT"

    def _dash_problems(self) -> Iterator[str]:
        summary = dash_summary(self._text(self.package.dash_path))
        if abs(summary.duration_seconds - self.package.duration_seconds) > self.drift_seconds:
            yield f"it lasts {summary.duration_seconds:.2f} s"
        yield from (f"{path} is missing or lies outside" for path in summary.paths if not self._is_ours(path))

    def _difference_problems(self) -> Iterator[str]:
        """HLS and DASH offer the same: every track and the captions."""
        media = media_renditions(self._text(self.package.master_path))
        captions = {item["URI"] for item in media if item["TYPE"] == "SUBTITLES"}
        playlists = {*(track.playlist_path for track in self._tracks), *captions}
        hls = {path for playlist in playlists for path in self._media_playlist(playlist).paths}
        dash = set(dash_summary(self._text(self.package.dash_path)).paths)
        yield from (f"only HLS names {path}" for path in sorted(hls - dash))
        yield from (f"only DASH names {path}" for path in sorted(dash - hls))

    def _segment_problems(self) -> Iterator[str]:
        starts: dict[str, list[float]] = {}
        for track in self._tracks:
            try:
                found = self.segments(track)
            except ValueError as error:
                yield f"{track.media_prefix}{error}"
                continue
            yield from (f"{track.media_prefix} {problem}" for problem in _sequence_problems(found))
            if isinstance(track, Rendition):
                starts[track.name] = [float(segment.start_seconds) for segment in found]
        for (name, times), (other, others) in pairwise(starts.items()):
            if not _are_same(times, others):
                yield f"the segments of {name} and {other} do not begin together"

    def segments(self, track: Rendition | AudioRendition) -> tuple[MediaSegment, ...]:
        """Return what the segments of a track say, in the order in which they are played.

        Raises:
            ValueError: One of them is not whole; the message names it.
        """
        initialisation, *parts = (self.directory / path for path in self._media_playlist(track.playlist_path).paths)
        return read_segments(initialisation, parts)

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
        preview = self.package.preview_path
        if preview and not frame_count(self.directory / preview):
            yield f"{preview} is not a whole picture"


def _sequence_problems(found: tuple[MediaSegment, ...]) -> Iterator[str]:
    """Every segment begins where the one before ends, with a keyframe."""
    for number, (segment, following) in enumerate(pairwise(found), start=2):
        gap = float(following.start_seconds - segment.start_seconds - segment.lasts_seconds)
        if abs(gap) > _SAME_SECONDS:
            yield f"has a gap of {gap:.3f} s before segment {number}"
    for number, segment in enumerate(found, start=1):
        if not segment.begins_with_keyframe:
            yield f"has no keyframe at the beginning of segment {number}"


def _are_same(times: list[float], others: list[float]) -> bool:
    return len(times) == len(others) and all(
        abs(one - other) <= _SAME_SECONDS for one, other in zip(times, others, strict=True)
    )
