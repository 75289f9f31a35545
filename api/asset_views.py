"""Assets, publications and candidates as the API shows them."""

from collections.abc import Callable, Collection, Iterable

from api.artifact_schemas import JobArtifact, JobArtifacts
from api.asset_schemas import (
    AssetAnswer,
    AssetSummary,
    CandidateAnswer,
    CopyAnswer,
    Frame,
    PublicVideo,
    RetractionAnswer,
)
from api.cursors import CreatedPosition
from api.dependencies import Services
from api.generations import generations_of_job
from api.links import candidate_url, media_url, watch_url
from api.schemas import (
    AnalysisLinks,
    CaptionLink,
    ChapterMark,
    Page,
    PlaybackUrls,
    ProvenanceAnswer,
    PublicAnalysis,
    Publication,
)
from data.domain.analysis import AnalysisFile, PublishedAnalysis
from data.domain.candidates import Candidate, CandidateState
from data.domain.copies import TargetCopy
from data.domain.errors import NotFoundError
from data.domain.provenance import Provenance
from data.domain.publications import PublicationManifest, Retraction
from data.publishing import standing
from data.repositories import (
    ArtifactRepository,
    AssetEntry,
    AssetRepository,
    CandidateRepository,
    CopyRepository,
    PublicationRepository,
    VoteRepository,
)

Address = Callable[[str], str]
"""Gives the address of a file by its path within a version."""


def show_asset(asset_id: str, services: Services) -> AssetAnswer:
    """Return an asset with what is public of it and what waits.

    Raises:
        NotFoundError: There is no such asset.
    """
    with services.database.session() as session:
        asset = AssetRepository(session).get(asset_id, services.caller.only_owner)
        candidate = CandidateRepository(session).latest(asset_id)
        votes = VoteRepository(session).counts([asset_id]).get(asset_id, 0)
        copies = CopyRepository(session).of_asset(asset_id)
    now = standing(services.store, asset_id)
    return AssetAnswer(
        id=asset.id,
        sha256=asset.sha256,
        original_name=asset.original_name,
        facts=asset.facts,
        publication=_publication(now.manifest) if now.manifest else None,
        candidate=_candidate(candidate) if candidate else None,
        retraction=_retraction(now.retraction) if now.retraction else None,
        votes=votes,
        copies=_copies(copies, now.manifest),
    )


def job_artifacts(job_id: str, services: Services) -> JobArtifacts:
    """Return what a job made: its artifacts, who made its video of words, and what it published."""
    with services.database.session() as session:
        asset_id = AssetRepository(session).asset_of_job(job_id)
        made = ArtifactRepository(session).of_job(job_id)
        published = PublicationRepository(session).of_job(job_id)
        copies = CopyRepository(session).of_job(job_id)
        generations = generations_of_job(session, job_id, asset_id, services.settings.batch.currency)
    return JobArtifacts(
        asset_id=asset_id,
        items=tuple(
            JobArtifact(kind=each.kind, key=each.key, created_at=each.created_at, details=each.details) for each in made
        ),
        generations=generations,
        publication=_publication(published) if published else None,
        copies=_copies(copies, services.publications.current(asset_id) if asset_id and copies else None),
    )


def show_public(asset_id: str, services: Services) -> PublicVideo:
    """Return what everybody may know of a video that is public.

    Raises:
        NotFoundError: Nothing is public of it, or there is no such asset.
    """
    manifest = services.publications.current(asset_id)
    if manifest is None:
        raise NotFoundError(f"There is no video {asset_id}, or it is not published.", {"asset_id": asset_id})
    with services.database.session() as session:
        facts = AssetRepository(session).get(asset_id).facts
    video = facts.video
    return PublicVideo(
        id=asset_id,
        width=video.width,
        height=video.height,
        frame_rate=video.frame_rate,
        size_bytes=facts.size_bytes,
        publication=_publication(manifest),
    )


def check_asset(asset_id: str, services: Services) -> None:
    """Do nothing if there is an asset that the caller may decide about.

    Raises:
        NotFoundError: There is no such asset.
    """
    with services.database.session() as session:
        AssetRepository(session).get(asset_id, services.caller.only_owner)


def list_assets(
    services: Services, after: str | None, limit: int, *, mine: bool = False, public: bool | None = None
) -> Page[AssetSummary]:
    """Return assets, the latest first.

    Args:
        services: The doors.
        after: The cursor of the page before.
        limit: Most assets of the page.
        mine: Only the caller's own, also for those who see everybody's.
        public: Only those of which something is public, or nothing; ``None`` asks nothing.

    Raises:
        InvalidRequestError: ``after`` is no cursor.
    """
    with services.database.session() as session:
        owner = services.caller.id if mine else services.caller.only_owner
        page = AssetRepository(session).list(limit, after, owner, public)
    return Page[AssetSummary](items=_summaries(page.items, services), next=page.next)


def list_waiting(services: Services, after: str | None, limit: int, *, mine: bool = False) -> Page[AssetSummary]:
    """Return the assets of which a version waits for a person, the longest waiting first.

    Args:
        services: The doors.
        after: The cursor of the page before; what was decided meanwhile does not matter to it.
        limit: Most assets of the page.
        mine: Only the caller's own, also for those who see everybody's.

    Raises:
        InvalidRequestError: ``after`` is no cursor.
    """
    position = CreatedPosition.decode(after).key if after else None
    owner = services.caller.id if mine else services.caller.only_owner
    with services.database.session() as session:
        found = CandidateRepository(session).all_waiting(after=position, limit=limit + 1, owner=owner)
        page = found[:limit]
        entries = [AssetRepository(session).entry(candidate.asset_id) for candidate in page]
    last = CreatedPosition(page[-1].created_at, page[-1].asset_id).encode() if len(found) > limit else None
    return Page[AssetSummary](items=_summaries(entries, services), next=last)


def waiting_candidate(asset_id: str, services: Services) -> Candidate:
    """Return what waits of an asset.

    Raises:
        NotFoundError: Nothing does, or there is no such asset.
    """
    with services.database.session() as session:
        AssetRepository(session).get(asset_id, services.caller.only_owner)
        candidate = CandidateRepository(session).waiting(asset_id)
    if candidate is None:
        raise NotFoundError(f"Nothing waits of asset {asset_id}.", {"asset_id": asset_id})
    return candidate


def _summaries(entries: list[AssetEntry] | tuple[AssetEntry, ...], services: Services) -> tuple[AssetSummary, ...]:
    ids = [entry.asset.id for entry in entries]
    with services.database.session() as session:
        public = PublicationRepository(session).latest_of(ids)
        waiting = CandidateRepository(session).waiting_of(ids)
        votes = VoteRepository(session).counts(ids)
    return tuple(
        _summary(entry, public.get(entry.asset.id), waiting.get(entry.asset.id), votes.get(entry.asset.id, 0))
        for entry in entries
    )


def _summary(
    entry: AssetEntry, public: PublicationManifest | None, candidate: Candidate | None, votes: int
) -> AssetSummary:
    named = public or (candidate.manifest if candidate else None)
    return AssetSummary(
        id=entry.asset.id,
        original_name=entry.asset.original_name,
        duration_seconds=entry.asset.facts.duration_seconds,
        created_at=entry.created_at,
        version=public.version if public else None,
        title=named.title if named else "",
        waiting=candidate.why if candidate else None,
        waiting_job_id=candidate.job_id if candidate else None,
        votes=votes,
    )


def _copies(copies: Iterable[TargetCopy], public: PublicationManifest | None) -> tuple[CopyAnswer, ...]:
    return tuple(
        CopyAnswer(
            target=copy.target.name,
            state=copy.state,
            version=copy.version,
            is_public=public is not None and public.version == copy.version,
            pointer=f"{copy.target.url}/{copy.pointer_key}",
            folder=f"{copy.target.url}/{copy.prefix}",
            parts=copy.target.parts,
            file_count=copy.file_count,
            size_bytes=copy.size_bytes,
            job_id=copy.job_id,
            changed_at=copy.changed_at,
            error=copy.error,
        )
        for copy in copies
        if copy.changed_at is not None
    )


def _publication(manifest: PublicationManifest) -> Publication:
    def address(path: str) -> str:
        return media_url(manifest.asset_id, manifest.version, path)

    return Publication(
        version=manifest.version,
        published_at=manifest.published_at,
        job_id=manifest.job_id,
        recipe=manifest.recipe,
        title=manifest.title,
        duration_seconds=manifest.duration_seconds,
        urls=_urls(manifest, address),
        renditions=manifest.renditions,
        audio=manifest.audio,
        captions=_captions(manifest, address),
        chapters=tuple(ChapterMark(**chapter.model_dump()) for chapter in manifest.chapters),
        sprite=manifest.sprite,
        gate=manifest.gate,
        tools=manifest.tools,
        notes=manifest.notes,
        kept=manifest.kept,
        approval=manifest.approval,
        provenance=_provenance(manifest.provenance) if manifest.provenance else None,
        analysis=_analysis(manifest.analysis, address) if manifest.analysis else None,
        size_bytes=sum(manifest.files.values()),
    )


def _provenance(said: Provenance) -> ProvenanceAnswer:
    return ProvenanceAnswer(
        is_ai_generated=said.is_ai_generated,
        is_ai_edited=said.is_ai_edited,
        summary=said.summary,
        actions=said.actions,
        signed=said.signed,
        signer=said.signer,
    )


def _candidate(candidate: Candidate) -> CandidateAnswer:
    manifest, is_waiting = candidate.manifest, candidate.state is CandidateState.WAITING
    found = manifest.moderation

    def address(path: str) -> str:
        return candidate_url(manifest.asset_id, "files", path)

    frames = enumerate(found.worst if found and is_waiting else (), 1)
    return CandidateAnswer(
        job_id=candidate.job_id,
        state=candidate.state,
        why=candidate.why,
        title=manifest.title,
        recipe=manifest.recipe,
        duration_seconds=manifest.duration_seconds,
        created_at=candidate.created_at,
        decided_at=candidate.decided_at,
        decided_by=candidate.decided_by,
        decision=candidate.decision,
        score=found.score if found else None,
        worst=tuple(
            Frame(
                at_seconds=frame.at_seconds,
                score=frame.score,
                url=candidate_url(manifest.asset_id, "frames", str(number)),
            )
            for number, frame in frames
        ),
        urls=_urls(manifest, address) if is_waiting else None,
        captions=_captions(manifest, address) if is_waiting else (),
        gate=manifest.gate,
    )


def _retraction(retraction: Retraction) -> RetractionAnswer:
    return RetractionAnswer(version=retraction.version, retracted=retraction.retracted)


def _captions(manifest: PublicationManifest, address: Address) -> tuple[CaptionLink, ...]:
    return tuple(
        CaptionLink(
            language=track.language,
            label=track.label,
            vtt_url=address(track.vtt_path),
            srt_url=address(track.srt_path),
            word_count=track.word_count,
            cue_count=track.cue_count,
            first_lines=track.first_lines,
            model=track.model,
            is_translation=track.is_translation,
        )
        for track in manifest.captions
    )


def analysis_links(names: Collection[str], address: Address) -> AnalysisLinks:
    """Return where the files of an analysis are.

    Args:
        names: Those that there are (:class:`data.domain.analysis.AnalysisFile`).
        address: Gives the address of a file by its name.
    """
    return AnalysisLinks(
        events=address(AnalysisFile.EVENTS),
        telemetry=address(AnalysisFile.TELEMETRY),
        telemetry_csv=address(AnalysisFile.TELEMETRY_CSV),
        frames=address(AnalysisFile.FRAMES),
        frames_csv=address(AnalysisFile.FRAMES_CSV),
        annotated=address(AnalysisFile.ANNOTATED) if AnalysisFile.ANNOTATED in names else None,
        events_chart=address(AnalysisFile.EVENTS_CHART),
        heat_map=address(AnalysisFile.HEAT_MAP),
        summary=address(AnalysisFile.SUMMARY),
        summary_text=address(AnalysisFile.SUMMARY_TEXT),
    )


def _analysis(found: PublishedAnalysis, address: Address) -> PublicAnalysis:
    return PublicAnalysis(
        detector=found.detector,
        is_simulated=found.is_simulated,
        track_count=found.track_count,
        event_counts=found.event_counts,
        sentences=found.sentences,
        urls=analysis_links(found.paths, lambda name: address(found.paths[name])),
    )


def _urls(manifest: PublicationManifest, address: Address) -> PlaybackUrls:
    return PlaybackUrls(
        watch=watch_url(manifest.asset_id),
        hls=address(manifest.hls_path),
        dash=address(manifest.dash_path),
        mp4=address(manifest.mp4_path),
        poster=address(manifest.poster_path),
        sprite=address(manifest.sprite.image_path),
        thumbnails=address(manifest.sprite.vtt_path),
        preview=address(manifest.preview_path) if manifest.preview_path else None,
        audio=address(manifest.audio_path) if manifest.audio_path else None,
        chapters=address(manifest.chapters_path) if manifest.chapters_path else None,
        text=address(manifest.text_path) if manifest.text_path else None,
    )
