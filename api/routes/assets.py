"""Assets: what a video is, and what of it is public."""

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from api.dependencies import Services, ServicesDependency
from api.links import media_url, watch_url
from api.schemas import AssetAnswer, CaptionLink, ChapterMark, PlaybackUrls, Problem, Publication
from data.domain.assets import Asset
from data.domain.publications import PublicationManifest
from data.repositories import AssetRepository

router = APIRouter(prefix="/assets", tags=["assets"])


@router.get("/{asset_id}", responses={404: {"model": Problem}})
async def get_asset(asset_id: str, services: ServicesDependency) -> AssetAnswer:
    """Show an asset: the facts of its source, and its current publication with renditions, captions and addresses."""
    asset = await run_in_threadpool(_asset, asset_id, services)
    manifest = await run_in_threadpool(services.publications.current, asset_id)
    return AssetAnswer(
        id=asset.id,
        sha256=asset.sha256,
        original_name=asset.original_name,
        facts=asset.facts,
        publication=_publication(manifest) if manifest else None,
    )


def _asset(asset_id: str, services: Services) -> Asset:
    with services.database.session() as session:
        return AssetRepository(session).get(asset_id)


def _publication(manifest: PublicationManifest) -> Publication:
    return Publication(
        version=manifest.version,
        published_at=manifest.published_at,
        job_id=manifest.job_id,
        recipe=manifest.recipe,
        title=manifest.title,
        duration_seconds=manifest.duration_seconds,
        urls=_urls(manifest),
        renditions=manifest.renditions,
        audio=manifest.audio,
        captions=tuple(
            CaptionLink(
                language=track.language,
                label=track.label,
                vtt_url=_file_url(manifest, track.vtt_path),
                srt_url=_file_url(manifest, track.srt_path),
                word_count=track.word_count,
                cue_count=track.cue_count,
                first_lines=track.first_lines,
                model=track.model,
            )
            for track in manifest.captions
        ),
        chapters=tuple(ChapterMark(**chapter.model_dump()) for chapter in manifest.chapters),
        sprite=manifest.sprite,
        gate=manifest.gate,
        tools=manifest.tools,
        notes=manifest.notes,
        size_bytes=sum(manifest.files.values()),
    )


def _urls(manifest: PublicationManifest) -> PlaybackUrls:
    return PlaybackUrls(
        watch=watch_url(manifest.asset_id),
        hls=_file_url(manifest, manifest.hls_path),
        dash=_file_url(manifest, manifest.dash_path),
        mp4=_file_url(manifest, manifest.mp4_path),
        poster=_file_url(manifest, manifest.poster_path),
        sprite=_file_url(manifest, manifest.sprite.image_path),
        thumbnails=_file_url(manifest, manifest.sprite.vtt_path),
        chapters=_file_url(manifest, manifest.chapters_path) if manifest.chapters_path else None,
    )


def _file_url(manifest: PublicationManifest, path: str) -> str:
    return media_url(manifest.asset_id, manifest.version, path)
