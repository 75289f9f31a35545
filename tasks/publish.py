"""The publish stage: check the candidate itself, write it under a new version, and only then say that it is public."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.logging import get_run_logger

from data.database import Database
from data.domain.assets import Asset
from data.domain.errors import OutputRefusedError, StoreUnavailableError
from data.domain.keys import publication_manifest_key, publication_prefix
from data.domain.publications import (
    CaptionTrack,
    GateReport,
    GeneratedArtifacts,
    Package,
    PublicationManifest,
    PublishedCaptions,
)
from data.domain.recipes import Recipe
from data.repositories import PublicationRepository
from data.settings import get_settings
from data.storage import ObjectStore, open_store
from tasks.media.chapters import chapters_vtt
from tasks.media.checks import check_candidate
from tasks.media.playlists import CaptionRendition, caption_playlist, dash_with_captions, with_captions
from tasks.media.tools import find_tools
from tasks.policies import TASK_POLICY, tool_limits
from tasks.progress import step_progress
from tasks.workspace import job_id, workspace

CHAPTERS_PATH = "chapters.vtt"


@task(task_run_name="publish", **TASK_POLICY)
def publish_asset(
    asset: Asset, package: Package, artifacts: GeneratedArtifacts, recipe: Recipe, title: str
) -> PublicationManifest:
    """Check the complete candidate, write it under a new version, and switch to it in one step.

    The publication manifest is written last, by compare-and-swap. A candidate that the gate refuses, or a failure at
    any line before, leaves the last publication as it was.
    """
    settings = get_settings()
    store, database = open_store(settings.storage_url, **settings.storage_options), Database(settings.catalogue_url)
    with workspace() as scratch, step_progress("publish") as progress:
        manifest_key = publication_manifest_key(asset.id)
        current, etag = _current(store, manifest_key)
        manifest = _manifest(asset, package, artifacts, recipe, title, current.version + 1 if current else 1)
        if current and current.content_key == manifest.content_key and _is_whole(store, current):
            get_run_logger().info("Nothing to publish: version %d says the same already.", current.version)
            _record(database, current)
            return current
        candidate = assemble_candidate(scratch / "candidate", store, package, artifacts)
        progress.update(0.2)
        gate = _gate(candidate, asset, package, recipe, scratch)
        progress.update(0.7)
        manifest = manifest.model_copy(update={"gate": gate, "files": _sizes(candidate)})
        _write_version(store, candidate, package, manifest)
        store.compare_and_swap(manifest_key, manifest.model_dump_json().encode(), etag)
        _record(database, manifest)
    get_run_logger().info("Published asset %s as version %d.", asset.id, manifest.version)
    return manifest


def _current(store: ObjectStore, manifest_key: str) -> tuple[PublicationManifest | None, str | None]:
    """Return what is public now, with the etag that a switch must name."""
    found = store.get_versioned(manifest_key)
    if found is None:
        return None, None
    return PublicationManifest.model_validate_json(found[0]), found[1]


def _is_whole(store: ObjectStore, manifest: PublicationManifest) -> bool:
    there = {stored.key.removeprefix(manifest.prefix): stored.size_bytes for stored in store.list(manifest.prefix)}
    return all(there.get(path) == size for path, size in manifest.files.items())


def _record(database: Database, manifest: PublicationManifest) -> None:
    with database.session() as session:
        PublicationRepository(session).record(manifest)


def _manifest(
    asset: Asset, package: Package, artifacts: GeneratedArtifacts, recipe: Recipe, title: str, version: int
) -> PublicationManifest:
    """Say what is to become public; files and gate are filled in once they are known."""
    title = title or asset.original_name
    chapters_path = CHAPTERS_PATH if artifacts.chapters else None
    return PublicationManifest(
        asset_id=asset.id,
        version=version,
        job_id=job_id(),
        recipe=f"{recipe.name}@{recipe.version}",
        published_at=datetime.now(UTC),
        title=title,
        prefix=publication_prefix(asset.id, version, job_id()),
        content_key=_content_key(package, artifacts, recipe, title),
        source_sha256=asset.sha256,
        source=asset.facts,
        duration_seconds=package.duration_seconds,
        renditions=package.renditions,
        audio=package.audio,
        captions=tuple(_published(track) for track in artifacts.captions),
        chapters=artifacts.chapters,
        mp4_path=package.mp4_path,
        poster_path=package.poster_path,
        sprite=package.sprite,
        chapters_path=chapters_path,
        files={},
        gate=GateReport(checks=()),
        tools=package.tools,
        notes=artifacts.notes,
    )


def _content_key(package: Package, artifacts: GeneratedArtifacts, recipe: Recipe, title: str) -> str:
    """Digest everything that a viewer could tell apart."""
    parts = [package.key, artifacts.model_dump_json(), recipe.gate.model_dump_json(), title]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _published(track: CaptionTrack) -> PublishedCaptions:
    stem = f"captions-{track.language}"
    return PublishedCaptions(
        language=track.language,
        label=track.label,
        vtt_path=f"{stem}.vtt",
        srt_path=f"{stem}.srt",
        playlist_path=f"{stem}.m3u8",
        word_count=track.word_count,
        cue_count=track.cue_count,
        first_lines=track.first_lines,
        model=track.model,
    )


def assemble_candidate(directory: Path, store: ObjectStore, package: Package, artifacts: GeneratedArtifacts) -> Path:
    """Bring everything that is to be public into one directory, playlists complete."""
    directory.mkdir()
    for path in package.files:
        store.fetch(package.prefix + path, directory / path)
    if artifacts.poster is not None:
        _replace(directory / package.poster_path, store.get_bytes(artifacts.poster.key))
    if artifacts.chapters:
        (directory / CHAPTERS_PATH).write_text(chapters_vtt(artifacts.chapters), encoding="utf-8")
    if artifacts.captions:
        _add_captions(directory, store, package, artifacts.captions)
    return directory


def _add_captions(directory: Path, store: ObjectStore, package: Package, tracks: tuple[CaptionTrack, ...]) -> None:
    renditions = []
    for track in tracks:
        public = _published(track)
        store.fetch(track.vtt_key, directory / public.vtt_path)
        store.fetch(track.srt_key, directory / public.srt_path)
        playlist = caption_playlist(public.vtt_path, package.duration_seconds)
        (directory / public.playlist_path).write_text(playlist, encoding="utf-8")
        renditions.append(
            CaptionRendition(
                language=public.language,
                label=public.label,
                playlist_path=public.playlist_path,
                vtt_path=public.vtt_path,
            )
        )
    master, mpd = directory / package.master_path, directory / package.dash_path
    _replace(master, with_captions(master.read_text(encoding="utf-8"), renditions).encode())
    _replace(mpd, dash_with_captions(mpd.read_text(encoding="utf-8"), renditions).encode())


def _replace(path: Path, content: bytes) -> None:
    """Write a new file in the place of a fetched one, which may share its bytes with the store."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _gate(candidate: Path, asset: Asset, package: Package, recipe: Recipe, scratch: Path) -> GateReport:
    """Check the candidate itself; say in the log what was found.

    Raises:
        OutputRefusedError: The candidate is not fit to be published.
    """
    media = get_settings().media
    gate = check_candidate(
        candidate,
        package,
        asset.facts,
        recipe.gate,
        tools=find_tools(media.ffmpeg, media.ffprobe, media.packager),
        scratch=scratch,
        limits=tool_limits(media),
        run_id=job_id(),
    )
    for check in gate.checks:
        level = {"passed": "info", "warned": "warning", "refused": "error"}[check.outcome]
        getattr(get_run_logger(), level)("Gate: %s %s: %s", check.name, check.outcome, check.detail)
    if gate.refusals:
        reasons = [f"{check.name}: {check.detail}" for check in gate.refusals]
        raise OutputRefusedError(f"The candidate was not published: {'; '.join(reasons)}", {"reasons": reasons})
    return gate


def _sizes(directory: Path) -> dict[str, int]:
    return {
        path.relative_to(directory).as_posix(): path.stat().st_size
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def _write_version(store: ObjectStore, candidate: Path, package: Package, manifest: PublicationManifest) -> None:
    """Write every file of the version; what the package has already is copied inside the store.

    Raises:
        StoreUnavailableError: The store does not hold, afterwards, what was written.
    """
    changed = {package.master_path, package.dash_path, package.poster_path}
    for path in manifest.files:
        if path in package.files and path not in changed:
            store.copy(package.prefix + path, manifest.prefix + path)
        else:
            store.put_file(candidate / path, manifest.prefix + path)
    if not _is_whole(store, manifest):
        raise StoreUnavailableError(f"Not every file of {manifest.prefix} arrived in the object store.")
