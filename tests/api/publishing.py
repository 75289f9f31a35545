"""Puts a really packaged video into a store and a catalogue, as the publish step leaves it."""

import hashlib
import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from data.database import Database
from data.domain.analysis import AnalysisReport
from data.domain.assets import Asset
from data.domain.keys import asset_id, publication_manifest_key, publication_prefix, source_key
from data.domain.provenance import Action, ActionName, Agent, Part, Provenance
from data.domain.publications import (
    Chapter,
    GateCheck,
    GateReport,
    GeneratedArtifacts,
    Package,
    PublicationManifest,
    PublishedCaptions,
)
from data.domain.recipes import Recipe
from data.repositories import AssetRepository, PublicationRepository
from data.storage import ObjectStore
from tasks.media.content_credentials import Claim, ClaimedSource, sign
from tasks.media.local_certificate import local_identity
from tasks.media.playlists import CaptionRendition, caption_playlist, with_captions
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tasks.media.transcode import transcode
from tasks.provenance import provenance_of
from tasks.publication import ANALYSIS_FOLDER, published_analysis

Cue = tuple[float, float, str]


def publish_video(
    source: Path,
    scratch: Path,
    store: ObjectStore,
    database: Database,
    *,
    title: str,
    cues: Sequence[Cue] = (),
    chapters: tuple[Chapter, ...] = (),
    recipe: Recipe | None = None,
    version: int = 1,
) -> PublicationManifest:
    """Encode, package and publish a video with the given captions and chapters."""
    tools = find_tools()
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    asset = Asset(
        id=asset_id(sha256),
        sha256=sha256,
        source_key=source_key(sha256),
        original_name=source.name,
        facts=probe(source, tools),
    )
    directory, work = scratch / "package", scratch / "work"
    directory.mkdir(parents=True)
    work.mkdir()
    package = transcode(
        source,
        asset,
        recipe or Recipe().with_overrides({"video.preset": "ultrafast"}),
        key="test",
        prefix="packages/test/",
        directory=directory,
        scratch=work,
        tools=tools,
        encode_slot=lambda: nullcontext(2),
        limits=Limits(),
    )
    captions = _write_captions(directory, cues, package.duration_seconds) if cues else ()
    if chapters:
        (directory / "chapters.vtt").write_text(webvtt([(c.start_seconds, c.end_seconds, c.title) for c in chapters]))
    provenance = _signed(directory, work, asset, package, captions)
    job_id = str(uuid.uuid4())
    prefix = publication_prefix(asset.id, version, job_id)
    files = store.put_tree(directory, prefix)
    manifest = PublicationManifest(
        asset_id=asset.id,
        version=version,
        job_id=job_id,
        recipe="default@1",
        published_at=datetime.now(UTC),
        title=title,
        prefix=prefix,
        content_key=uuid.uuid4().hex,
        source_sha256=sha256,
        source=asset.facts,
        duration_seconds=package.duration_seconds,
        renditions=package.renditions,
        audio=package.audio,
        captions=captions,
        chapters=chapters,
        mp4_path=package.mp4_path,
        poster_path=package.poster_path,
        sprite=package.sprite,
        preview_path=package.preview_path,
        audio_path=package.audio_path,
        chapters_path="chapters.vtt" if chapters else None,
        files=files,
        gate=GateReport(checks=(GateCheck(name="decodes", outcome="passed", detail="whole"),)),
        tools=package.tools,
        provenance=provenance,
    )
    switch_to(manifest, store)
    with database.session() as session:
        AssetRepository(session).record(asset)
        PublicationRepository(session).record(manifest)
    return manifest


def add_analysis(
    manifest: PublicationManifest, report: AnalysisReport, store: ObjectStore, database: Database
) -> PublicationManifest:
    """Publish the next version of a video, with an analysis of it whose files are in the store."""
    copied = store.copy_tree(report.prefix, f"{manifest.prefix}{ANALYSIS_FOLDER}")
    files = {f"{ANALYSIS_FOLDER}{name}": report.files[name] for name in report.files}
    assert len(copied) >= len(files)
    analysed = manifest.model_copy(
        update={
            "version": manifest.version + 1,
            "files": {**manifest.files, **files},
            "analysis": published_analysis(report),
        }
    )
    switch_to(analysed, store)
    with database.session() as session:
        PublicationRepository(session).record(analysed)
    return analysed


def switch_to(manifest: PublicationManifest, store: ObjectStore) -> None:
    """Make a version the current one."""
    key = publication_manifest_key(manifest.asset_id)
    current = store.get_versioned(key)
    store.compare_and_swap(key, manifest.model_dump_json().encode(), current[1] if current else None)


def webvtt(cues: Sequence[Cue]) -> str:
    """Write cues as WebVTT."""
    return "WEBVTT\n\n" + "\n".join(f"{_clock(start)} --> {_clock(end)}\n{text}\n" for start, end, text in cues)


def _signed(
    directory: Path, work: Path, asset: Asset, package: Package, captions: Sequence[PublishedCaptions]
) -> Provenance:
    """Sign the MP4 as the publish step does; with captions of a model there is something to say of AI."""
    identity = local_identity(work / "credentials")
    said = provenance_of(asset, package, GeneratedArtifacts(), None, lambda name: Agent(name=name))
    source = ClaimedSource("Source", asset.sha256)
    made = work / "signed.mp4"
    sign(directory / package.mp4_path, made, Claim("Test", Agent(name="Dailies"), said.actions, source), identity)
    made.replace(directory / package.mp4_path)
    written = tuple(
        Action(
            name=ActionName.ADDED_TEXT,
            what="captions",
            description=f"{track.label}: written down by a model.",
            parts=(Part.CAPTIONS,),
            agent=Agent(name="Dailies"),
            models=(Agent(name="whisper-base", version="3f5a"),),
        )
        for track in captions
    )
    return Provenance(actions=(*said.actions, *written), signed=(package.mp4_path,), signer=identity.name)


def _write_captions(directory: Path, cues: Sequence[Cue], duration_seconds: float) -> tuple[PublishedCaptions, ...]:
    text = webvtt(cues)
    (directory / "captions-en.vtt").write_text(text)
    (directory / "captions-en.srt").write_text(text.replace("WEBVTT\n\n", "").replace(".", ","))
    (directory / "captions-en.m3u8").write_text(caption_playlist("captions-en.vtt", duration_seconds))
    track = CaptionRendition("en", "English", "captions-en.m3u8", "captions-en.vtt")
    master = directory / "master.m3u8"
    master.write_text(with_captions(master.read_text(), [track]))
    return (
        PublishedCaptions(
            language="en",
            label="English",
            vtt_path="captions-en.vtt",
            srt_path="captions-en.srt",
            playlist_path="captions-en.m3u8",
            word_count=sum(len(words.split()) for _, _, words in cues),
            cue_count=len(cues),
            first_lines=tuple(words for _, _, words in cues[:2]),
            model="by hand",
        ),
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600:02d}:{int(seconds) // 60 % 60:02d}:{seconds % 60:06.3f}"
