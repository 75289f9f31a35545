"""The files of a candidate and what they say of one another: everything the gate finds without decoding."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from data.domain.publications import AudioRendition, GateCheck, Package, Rendition
from tasks.media.inspection import jpeg_size
from tasks.media.playlists import dash_summary, media_renditions, segments, variants


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
        missing = sorted(name for name in self._promised() if not self._is_ours(name))
        yield verdict("files", missing, "Every file that the package promises is there.", "Missing: ")
        if missing:
            return
        yield self._read("hls", self._hls_problems)
        yield self._read("dash", self._dash_problems)
        yield verdict("images", list(self._image_problems()), "Poster and sprite are whole JPEGs of the right size.")

    @property
    def _tracks(self) -> tuple[Rendition | AudioRendition, ...]:
        audio = self.package.audio
        return (*self.package.renditions, audio) if audio else self.package.renditions

    def _promised(self) -> set[str]:
        package = self.package
        names = {package.master_path, package.dash_path, package.mp4_path, package.poster_path}
        names |= {package.sprite.image_path, package.sprite.vtt_path}
        for track in self._tracks:
            names |= {track.playlist_path, f"{track.media_prefix}init.mp4"}
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
        for path in sorted({part.path for part in parts}):
            if not self._is_ours(path):
                yield f"{path}, named by {playlist}, is missing or lies outside"

    def _caption_problems(self, playlist: str) -> Iterator[str]:
        for part in segments(self._text(playlist)):
            if self._is_ours(part.path) and not self._text(part.path).startswith("WEBVTT"):
                yield f"{part.path} is not WebVTT"

    def _dash_problems(self) -> Iterator[str]:
        summary = dash_summary(self._text(self.package.dash_path))
        if abs(summary.duration_seconds - self.package.duration_seconds) > self.drift_seconds:
            yield f"it lasts {summary.duration_seconds:.2f} s"
        played = {part.path for track in self._tracks for part in segments(self._text(track.playlist_path))}
        left_out = played - set(summary.paths)
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
