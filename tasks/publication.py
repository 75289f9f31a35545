"""What publishing is, without Prefect: a draft manifest, a complete candidate, and the switch to a new version."""

import hashlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from data.domain.analysis import AnalysisFile, AnalysisReport, PublishedAnalysis
from data.domain.assets import Asset
from data.domain.errors import DailiesError, OutputRefusedError, StoreUnavailableError
from data.domain.keys import publication_prefix
from data.domain.provenance import Provenance
from data.domain.publications import (
    CaptionTrack,
    GateReport,
    GeneratedArtifacts,
    Package,
    PublicationManifest,
    PublishedCaptions,
)
from data.domain.recipes import Recipe
from data.publishing import Standing, current_publication, is_whole, switch
from data.storage import ObjectStore
from tasks.media.chapters import chapters_vtt
from tasks.media.playlists import CaptionRendition, caption_playlist, dash_with_captions, with_captions

logger = logging.getLogger(__name__)

CHAPTERS_PATH = "chapters.vtt"
TEXT_PATH = "text.json"
ANALYSIS_FOLDER = "analysis/"
_BY_THE_SOURCES_CLOCK = frozenset({"voice-over", "captions in the picture"})
"""Of what preparing does, what begins at times: an edit may cut it, or make it faster."""


def draft_manifest(
    asset: Asset,
    package: Package,
    artifacts: GeneratedArtifacts,
    recipe: Recipe,
    title: str,
    version: int,
    job_id: str,
    provenance: Provenance | None = None,
) -> PublicationManifest:
    """Say what is to become public; files and gate are filled in once they are known."""
    title = title or asset.original_name
    chapters_path = CHAPTERS_PATH if artifacts.chapters else None
    return PublicationManifest(
        asset_id=asset.id,
        version=version,
        job_id=job_id,
        recipe=f"{recipe.name}@{recipe.version}",
        published_at=datetime.now(UTC),
        title=title,
        prefix=publication_prefix(asset.id, version, job_id),
        content_key=_content_key(package, artifacts, recipe, title, provenance),
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
        preview_path=package.preview_path,
        audio_path=package.audio_path,
        notes=(
            *(asset.preparation.notes if asset.preparation else ()),
            *(package.edit.notes if package.edit else ()),
            *_of_order(asset, package, recipe),
            *package.notes,
            *artifacts.notes,
        ),
        text_path=TEXT_PATH if artifacts.text else None,
        moderation=artifacts.moderation,
        kept=package.edit.kept if package.edit else None,
        provenance=provenance,
        analysis=published_analysis(artifacts.analysis) if artifacts.analysis else None,
    )


def _of_order(asset: Asset, package: Package, recipe: Recipe) -> Iterator[str]:
    """Say what follows from the edits' coming after what models change in picture and sound."""
    if asset.preparation is None or package.edit is None:
        return
    added = [each.what for each in asset.preparation.actions or () if each.what in _BY_THE_SOURCES_CLOCK]
    if added:
        yield f"{' and '.join(added).capitalize()} came before the edits: by the source's clock, and edited with it."
    if recipe.anonymise.enabled and any(each.kind == "clip" for each in recipe.edit.inputs):
        yield "Faces were hidden in the source alone, not in the clips that are joined to it or shown in it."


def why_held(artifacts: GeneratedArtifacts, now: Standing, recipe: Recipe) -> str:
    """Say why a person has to decide before a candidate becomes public; empty when nobody has to."""
    found = artifacts.moderation
    if found is not None and found.needs_review:
        where = f" at {found.worst[0].at_seconds:.1f} s" if found.worst else ""
        return f"Moderation scored it {found.score:.2f}{where}; from {found.threshold:.2f} on a person decides."
    if now.retraction is not None:
        said = now.retraction.retracted
        because = f": {said.reason}" if said.reason else "."
        return f"{said.by} took version {now.retraction.version} down on {said.at:%Y-%m-%d}{because}"
    return "The recipe has a person decide about each version." if recipe.publish.review else ""


def _content_key(
    package: Package, artifacts: GeneratedArtifacts, recipe: Recipe, title: str, provenance: Provenance | None
) -> str:
    """Digest everything that a viewer could tell apart."""
    unused = set() if artifacts.analysis else {"analysis"}  # so that what has none stays what it was
    parts = [package.key, artifacts.model_dump_json(exclude=unused), recipe.gate.model_dump_json(), title]
    if provenance:  # what has no further files in it stays what it was
        parts.append(provenance.model_dump_json(exclude=None if provenance.components else {"components"}))
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
        is_translation=track.is_translation,
    )


def published_analysis(report: AnalysisReport) -> PublishedAnalysis:
    """Return what a manifest says of an analysis."""
    summary = report.summary
    return PublishedAnalysis(
        key=report.key,
        options=report.options,
        detector=summary.detector,
        is_simulated=summary.is_simulated,
        track_count=summary.track_count,
        event_counts=summary.event_counts,
        sentences=report.sentences,
        paths={name: ANALYSIS_FOLDER + name for name in report.files},
    )


def annotated_path(artifacts: GeneratedArtifacts) -> str | None:
    """Return where the video lies into which an analysis was drawn; ``None`` where there is none."""
    has_one = artifacts.analysis is not None and AnalysisFile.ANNOTATED in artifacts.analysis.files
    return ANALYSIS_FOLDER + AnalysisFile.ANNOTATED if has_one else None


def assemble_candidate(directory: Path, store: ObjectStore, package: Package, artifacts: GeneratedArtifacts) -> Path:
    """Bring everything that is to be public into one directory, playlists complete."""
    directory.mkdir()
    store.fetch_tree(package.prefix, directory, package.files)
    if artifacts.poster is not None:
        _replace(directory / package.poster_path, store.get_bytes(artifacts.poster.key))
    if artifacts.chapters:
        (directory / CHAPTERS_PATH).write_text(chapters_vtt(artifacts.chapters), encoding="utf-8")
    if artifacts.text:
        store.fetch(artifacts.text.key, directory / TEXT_PATH)
    if artifacts.analysis:
        for name in artifacts.analysis.files:
            store.fetch(artifacts.analysis.prefix + name, directory / ANALYSIS_FOLDER / name)
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


def refuse_unfit(gate: GateReport) -> None:
    """Let a fit candidate pass.

    Raises:
        OutputRefusedError: The gate found something that forbids publication; the reasons are in the sentence.
    """
    if gate.refusals:
        reasons = [f"{check.name}: {check.detail}" for check in gate.refusals]
        raise OutputRefusedError(f"The candidate was not published: {'; '.join(reasons)}", {"reasons": reasons})


def release(
    store: ObjectStore, candidate: Path, package: Package, draft: PublicationManifest, etag: str | None
) -> PublicationManifest:
    """Write every file of the version, then switch to it; on failure the last publication stays as it was.

    A version that is held is written and not switched to: what was public stays so.

    Args:
        store: Where to publish.
        candidate: The directory that holds the complete candidate.
        package: What the candidate was made from; its unchanged files are copied inside the store.
        draft: The manifest without its files.
        etag: Of the manifest that this one replaces; ``None`` when there is none yet.

    Raises:
        PublicationConflictError: Somebody else published the asset in between.
        StoreUnavailableError: The store does not hold, afterwards, what was written.
    """
    private = {frame.path for frame in package.poster_candidates}
    files = {path: size for path, size in _sizes(candidate).items() if path not in private}
    manifest = draft.model_copy(update={"files": files})
    try:
        _write_version(store, candidate, package, manifest)
        if not manifest.awaits_review:
            switch(store, manifest, etag)
    except BaseException:  # a cancelled run must not leave half a version either
        _withdraw(store, manifest)
        raise
    return manifest


def _withdraw(store: ObjectStore, manifest: PublicationManifest) -> None:
    """Remove the files of a version that did not come to be, unless it did after all (a lost answer)."""
    try:
        current, _ = current_publication(store, manifest.asset_id)
        if current is None or current.prefix != manifest.prefix:
            store.delete_tree(manifest.prefix)
    except DailiesError as error:
        logger.warning("The unpublished files at %s stay for the sweep: %s", manifest.prefix, error)


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
    changed |= set(manifest.provenance.signed) if manifest.provenance else set()
    same = [path for path in manifest.files if path in package.files and path not in changed]
    store.copy_tree(package.prefix, manifest.prefix, same)
    for path in manifest.files.keys() - set(same):
        store.put_file(candidate / path, manifest.prefix + path)
    if not is_whole(store, manifest):
        raise StoreUnavailableError(f"Not every file of {manifest.prefix} arrived in the object store.")
