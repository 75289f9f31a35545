"""The watched folder: its new files become a batch, each once, whatever dies in between."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from prefect import task
from prefect.client.orchestration import get_client
from prefect.logging import get_run_logger

from data.database import Database, open_database
from data.domain.batches import Batch, BatchOptions, BatchState
from data.domain.keys import batch_manifest_key
from data.domain.watching import sight
from data.recipes import list_recipes
from data.repositories import BatchRepository, WatchedFileRepository
from data.settings import Settings, get_settings
from data.storage import open_store
from tasks.bulk.folders import look_around, open_to_write, write_listing
from tasks.bulk.ownership import account_of
from tasks.providers.sources import allowed_path
from tasks.reconcile.feeds import ensure_feed
from tasks.workspace import workspace


@task(task_run_name="sweep the watched folder")
def sweep_folder() -> Batch | None:
    """Make a batch of the files of the watched folder that are new, or were replaced, and are whole.

    Files are never moved or deleted. What was seen is remembered in the catalogue, in the same transaction that makes
    the batch.

    Returns:
        The batch; ``None`` if there is nothing new, or no folder is watched.

    Raises:
        SourceForbiddenError: The folder lies outside the folders that sources may come from.
        SourceNotFoundError: It is not there.
        BatchOwnerError: Whom its batches are to belong to (DAILIES_BATCH__OWNER) has no account that may hand in work.
    """
    settings = get_settings()
    if settings.batch.watched_folder is None:
        get_run_logger().info("No folder is watched (setting DAILIES_BATCH__WATCHED_FOLDER).")
        return None
    folder = allowed_path(str(settings.batch.watched_folder.expanduser().absolute()), settings.source_roots)
    database = open_database(settings.catalogue_url)
    owner = account_of(settings.batch.owner, database)  # before any file counts as taken
    if not (paths := _new_files(folder, database, settings.batch.watched_quiet_seconds)):
        return None
    with workspace() as scratch:
        batch = _batch(folder, paths, settings, scratch / "listing.jsonl", owner)
    with database.session() as session:
        BatchRepository(session).create(batch)
        WatchedFileRepository(session, str(folder)).take(paths, batch.id)
    get_run_logger().info("%d new files in the watched folder are batch %s.", len(paths), batch.id)
    with get_client(sync_client=True) as client:  # should this fail, upkeep finds a batch that nobody feeds
        ensure_feed(client, batch)
    return batch


def _new_files(folder: Path, database: Database, quiet_seconds: float) -> tuple[str, ...]:
    looks = look_around(folder)
    with database.session() as session:
        files = WatchedFileRepository(session, str(folder))
        sighting = sight(files.seen(), looks, datetime.now(UTC), quiet_seconds)
        files.note(sighting.changed)
        files.forget(sighting.gone)
    writing = open_to_write(sighting.steady)
    return tuple(path for path in sighting.steady if path not in writing)


def _batch(folder: Path, paths: tuple[str, ...], settings: Settings, listing: Path, owner: str) -> Batch:
    """Return a batch of some files, with its manifest in the store."""
    recipes = frozenset(each.recipe.name for each in list_recipes(settings.recipe_folder).found)
    write_listing(folder, paths, recipes, "", listing)
    batch_id, now = str(uuid4()), datetime.now(UTC)
    key = batch_manifest_key(batch_id, "jsonl")
    with listing.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    open_store(settings.storage_url, **settings.storage_options).put_file(listing, key)
    return Batch(
        id=batch_id,
        name=f"{folder.name} {now:%Y-%m-%d %H:%M}",
        manifest_uri=str(folder),
        manifest_key=key,
        manifest_sha256=sha256,
        options=BatchOptions(recipe=settings.batch.watched_recipe, on_invalid="accept_valid"),
        state=BatchState.RECEIVED,
        owner=owner,
        created_at=now,
    )
