"""Copies of a published version at publish targets: what belongs to one, how it stands, what says that it is whole."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Literal

from data.domain.keys import publication_prefix
from data.domain.model import DomainModel
from data.domain.publications import AudioRendition, PublicationManifest, Rendition
from data.domain.targets import ALL_PARTS, PublishTarget, TargetPart

POINTER_NAME = "publication.json"
"""In the folder of an asset at a target; written last."""


_MEDIA: set[TargetPart] = {"hls", "dash"}


class CopyState(StrEnum):
    """How a copy stands."""

    WANTED = "wanted"
    """It is to be made, or is being made."""
    THERE = "there"
    """It is whole, and the target's pointer names it."""
    SUPERSEDED = "superseded"
    """Another one took its place; its files stay for as long as old versions do."""
    WITHDRAWING = "withdrawing"
    """It is to go."""


class TargetCopy(DomainModel):
    """A copy of one version of an asset at one place."""

    asset_id: str
    version: int
    target: PublishTarget
    """As the recipe said it."""
    prefix: str
    """Folder of its files below the target's address; ends with a slash."""
    job_id: str
    """Whose work it is to make it."""
    state: CopyState = CopyState.WANTED
    size_bytes: int = 0
    file_count: int = 0
    work_key: str | None = None
    """What is fulfilled once it is there, where no job waits for that: a person approved the version."""
    due_at: datetime | None = None
    """From when on upkeep does what there is to do; ``None``: nothing, or a job does it."""
    tries: int = 0
    """How often that failed, so far."""
    error: str = ""
    """Why it failed last."""
    changed_at: datetime | None = None

    @property
    def was_whole(self) -> bool:
        """Whether it was there, whole, since it was wanted last: nobody sends files of it any more."""
        return self.file_count > 0

    @property
    def pointer_key(self) -> str:
        """Where, below the target's address, the pointer lies that names it."""
        return self.asset_folder + POINTER_NAME

    @property
    def asset_folder(self) -> str:
        """Folder of the asset's versions below the target's address; ends with a slash."""
        return f"{self.prefix.rstrip('/').rpartition('/')[0]}/"

    @property
    def version_folder(self) -> str:
        """Its folder as the pointer names it."""
        return f"{self.prefix.rstrip('/').rpartition('/')[2]}/"


class CopyPointer(DomainModel):
    """What stands at a target in the folder of an asset: which version counts. What it names is there, whole."""

    schema_version: Literal[1] = 1
    asset_id: str
    version: int
    title: str
    recipe: str
    published_at: datetime
    duration_seconds: float
    prefix: str
    """Folder of the version, beside this file."""
    paths: dict[str, str]
    """What to begin with, by part, below ``prefix``: ``hls``, ``dash``, ``mp4``, ``poster`` …"""
    captions: dict[str, str]
    """WebVTT by language."""
    file_count: int
    size_bytes: int


class CopyRetracted(DomainModel):
    """What stands there after the asset was taken down: nothing counts any more."""

    schema_version: Literal[1] = 1
    asset_id: str
    retracted_version: int


def copy_of(manifest: PublicationManifest, target: PublishTarget, job_id: str) -> TargetCopy:
    """Return the copy that a target is to have of a version."""
    folder = target.folder(manifest.asset_id, manifest.title, manifest.recipe.partition("@")[0])
    named = publication_prefix(manifest.asset_id, manifest.version, manifest.job_id).rstrip("/").rpartition("/")[2]
    return TargetCopy(
        asset_id=manifest.asset_id,
        version=manifest.version,
        target=target,
        prefix=f"{folder}/{named}/",
        job_id=job_id,
    )


def pointer_to(copy: TargetCopy, manifest: PublicationManifest) -> CopyPointer:
    """Return what says at a target that a copy is there."""
    files = files_of(manifest, copy.target.parts)
    return CopyPointer(
        asset_id=copy.asset_id,
        version=copy.version,
        title=manifest.title,
        recipe=manifest.recipe,
        published_at=manifest.published_at,
        duration_seconds=manifest.duration_seconds,
        prefix=copy.version_folder,
        paths={part: path for part, path in _entries(manifest).items() if path in files and part in copy.target.parts},
        captions={track.language: track.vtt_path for track in manifest.captions if track.vtt_path in files},
        file_count=len(files),
        size_bytes=sum(files.values()),
    )


def files_of(manifest: PublicationManifest, parts: Collection[TargetPart]) -> dict[str, int]:
    """Return the files of a version, with their sizes in bytes, that belong to some parts of it.

    What no part is known to need goes with every one.
    """
    wanted, named, media = set(parts), _named_files(manifest), tuple(each.media_prefix for each in _streams(manifest))

    def needed_by(path: str) -> set[TargetPart]:
        return named.get(path, set()) | (_MEDIA if path.startswith(media) else set()) or set(ALL_PARTS)

    return {path: size for path, size in manifest.files.items() if wanted & needed_by(path)}


def _entries(manifest: PublicationManifest) -> dict[TargetPart, str]:
    """The file to begin with, of each part that there is and that has one."""
    found: dict[TargetPart, str | None] = {
        "hls": manifest.hls_path,
        "dash": manifest.dash_path,
        "mp4": manifest.mp4_path,
        "audio": manifest.audio_path,
        "chapters": manifest.chapters_path,
        "poster": manifest.poster_path,
        "thumbnails": manifest.sprite.vtt_path,
        "preview": manifest.preview_path,
        "text": manifest.text_path,
    }
    return {part: path for part, path in found.items() if path}


def _streams(manifest: PublicationManifest) -> list[Rendition | AudioRendition]:
    return [*manifest.renditions, *([manifest.audio] if manifest.audio else [])]


def _named_files(manifest: PublicationManifest) -> dict[str, set[TargetPart]]:
    """The parts that need each of the files that a manifest names one by one."""
    needed: dict[str, set[TargetPart]] = {}

    def need(path: str, *parts: TargetPart) -> None:
        needed.setdefault(path, set()).update(parts)

    for part, path in _entries(manifest).items():
        need(path, part)
    need(manifest.sprite.image_path, "thumbnails")
    for each in (*_streams(manifest), *manifest.captions):
        need(each.playlist_path, "hls")
    for track in manifest.captions:
        need(track.vtt_path, "hls", "dash", "captions")
        need(track.srt_path, "captions")
    for path in manifest.analysis.paths.values() if manifest.analysis else ():
        need(path, "analysis")
    return needed
