"""Bring what was handed in into a workspace: sources of assets, and manifests of batches alike."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from data.database import Database
from data.domain.errors import SourceNotFoundError
from data.domain.sources import UPLOAD_SCHEME
from data.repositories import UploadRepository, UploadState
from data.settings import Settings
from data.storage import ObjectStore
from tasks.providers.buckets import S3Access
from tasks.providers.sources import FetchedSource, SourceLimits, fetch_source, too_large


def fetch_handed_in(
    source: str,
    target: Path,
    settings: Settings,
    store: ObjectStore,
    database: Database,
    on_progress: Callable[[float], None] | None = None,
    *,
    owner: str | None,
) -> FetchedSource:
    """Bring what was handed in into the workspace, hashed; an upload is in the store already.

    Args:
        source: An absolute path, ``upload:<id>``, an ``https://`` address, or ``s3://bucket/key``.
        target: The file to write.
        settings: Say what may be fetched.
        store: Holds the uploads.
        database: Knows them.
        on_progress: Told the share (0–1) that is copied, where the size is known.
        owner: Whose an upload must be; ``None`` takes anybody's.

    Raises:
        DataError: It is not there, not allowed, or too large.
        SourceUnavailableError: Its host did not answer.
    """
    if not source.startswith(UPLOAD_SCHEME):
        return fetch_source(source, target, source_limits(settings), on_progress)
    with database.session() as session:
        upload = UploadRepository(session).get(source.removeprefix(UPLOAD_SCHEME), owner)
    if upload.size_bytes is None or upload.state is not UploadState.COMPLETE:
        raise SourceNotFoundError(f"The upload {upload.id} is not complete.", {"upload": upload.id})
    if upload.size_bytes > settings.ingest.max_bytes:
        raise too_large(settings.ingest.max_bytes)
    store.fetch(upload.key, target)
    # What a client sent to the store in parts was never here before.
    sha256 = upload.sha256 or _sha256(target)
    return FetchedSource(target, sha256, upload.size_bytes, upload.original_name)


def source_limits(settings: Settings) -> SourceLimits:
    """Return what may be fetched, from the settings."""
    ingest = settings.ingest
    return SourceLimits(
        max_bytes=ingest.max_bytes,
        allowed_roots=settings.source_roots,
        allow_private_hosts=ingest.allow_private_hosts,
        timeout_seconds=ingest.timeout_seconds,
        s3=S3Access(buckets=tuple(ingest.s3_buckets), **settings.storage_options),
        max_seconds=settings.media.hard_limit_seconds,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
