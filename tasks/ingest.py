"""The ingest stage: take a source in, find out what it is, and store it by its content."""

from prefect import task
from prefect.logging import get_run_logger

from data.database import Database, open_database
from data.domain.assets import Asset
from data.domain.costs import CostStep
from data.domain.errors import InputTooLongError
from data.domain.identity import LOCAL_USER
from data.domain.keys import asset_id, source_key
from data.repositories import AssetRepository, SourceVersionRepository
from data.settings import Settings, get_settings
from data.storage import ObjectStore, open_store
from tasks.costs import measured
from tasks.fetching import fetch_handed_in, source_limits
from tasks.media.probe import probe
from tasks.media.tools import find_tools
from tasks.policies import TASK_POLICY, tool_limits
from tasks.progress import step_progress
from tasks.providers.fingerprints import fingerprint
from tasks.providers.sources import FetchedSource
from tasks.workspace import job_id, job_owner, workspace


@task(task_run_name="ingest", **TASK_POLICY)
def ingest_source(source: str) -> Asset:
    """Copy a source into the object store by its content, refuse what is not a video, and record the asset.

    Args:
        source: An absolute path below an allowed root, ``upload:<id>``, an ``https://`` address, or
            ``s3://bucket/key`` in an allowed bucket.
    """
    settings = get_settings()
    store = open_store(settings.storage_url, **settings.storage_options)
    database = open_database(settings.catalogue_url)
    limits = source_limits(settings)
    with workspace() as scratch, step_progress("ingest") as progress, measured(CostStep.INGEST) as work:
        before = fingerprint(source, limits)
        fetched = fetch_handed_in(
            source, scratch / "source", settings, store, database, progress.update, owner=job_owner()
        )
        is_unchanged = before is not None and fingerprint(source, limits) == before
        asset = take_in(fetched, settings, store, database)
        if before is not None and is_unchanged:  # else nobody knows which of the two was read
            with database.session() as session:
                SourceVersionRepository(session).record(source, before, asset.id)
        work.done(asset)
    get_run_logger().info("Ingested %s as asset %s: %s", fetched.name, asset.id, _described(asset))
    return asset


def take_in(fetched: FetchedSource, settings: Settings, store: ObjectStore, database: Database) -> Asset:
    """Find out what a fetched file is, store it by its content, and record it as an asset of this job.

    Raises:
        DataError: It is no video, or too long.
    """
    asset = _probed(fetched, settings)
    if store.stat(asset.source_key) is None:
        store.put_file(fetched.path, asset.source_key)
    with database.session() as session:
        assets = AssetRepository(session)
        assets.record(asset)
        assets.bind_job(job_id(), asset.id, job_owner() or LOCAL_USER)
    return asset


def _probed(fetched: FetchedSource, settings: Settings) -> Asset:
    """Find out what the source is; refuse what is no video or too long."""
    media, ingest = settings.media, settings.ingest
    tools = find_tools(media.ffmpeg, media.ffprobe, media.packager)
    facts = probe(fetched.path, tools, max_pixels=ingest.max_pixels, limits=tool_limits(media))
    if facts.duration_seconds > ingest.max_duration_seconds:
        raise InputTooLongError(
            f"The source lasts {facts.duration_seconds:.0f} s; the limit is {ingest.max_duration_seconds:.0f} s.",
            {"duration_seconds": facts.duration_seconds, "max_duration_seconds": ingest.max_duration_seconds},
        )
    return Asset(
        id=asset_id(fetched.sha256),
        sha256=fetched.sha256,
        source_key=source_key(fetched.sha256),
        original_name=fetched.name,
        facts=facts,
    )


def _described(asset: Asset) -> str:
    """Say in a line what the source is, for the run's log."""
    facts, video = asset.facts, asset.facts.video
    sound = f"{facts.audio.codec} {facts.audio.channels}ch" if facts.audio else "no sound"
    return (
        f"{facts.container}, {video.codec} {video.width}x{video.height} at {float(video.frame_rate):.3g}/s, {sound}, "
        f"{facts.duration_seconds:.1f} s, {facts.size_bytes / 1e6:.1f} MB."
    )
