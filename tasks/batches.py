"""The first three steps of a batch: take its manifest in, check every row, plan the night."""

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
from prefect import task
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from data.database import Database, open_database
from data.domain.assets import SourceFacts
from data.domain.batches import Batch, BatchOptions, BatchPlan
from data.domain.dates import dated
from data.domain.errors import BatchNotConfiguredError, IllegalMoveError, SourceNotFoundError
from data.domain.sources import SourceRules
from data.domain.targets import TargetRules
from data.manifests import ManifestRules
from data.recipes import list_recipes, load_recipe
from data.repositories import BatchRepository, UploadRepository
from data.settings import Settings, get_settings
from data.storage import open_store
from tasks.bulk.changes import Recipes, look_at_sources
from tasks.bulk.clock import Capacity
from tasks.bulk.costing import Prices
from tasks.bulk.folders import look_around, open_to_write, write_listing
from tasks.bulk.intake import Intake
from tasks.bulk.ownership import account_of
from tasks.bulk.plan_text import plan_rows
from tasks.bulk.planning import Planner
from tasks.fetching import fetch_handed_in, source_limits
from tasks.known_inputs import JoinedClips, named_by_content
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tasks.models.store import ModelStore
from tasks.models.versions import made_with, prepared_with
from tasks.policies import TASK_POLICY, encode_slots
from tasks.providers.sources import FetchedSource, allowed_path
from tasks.telemetry import run_traceparent
from tasks.workspace import job_id, workspace

_SAMPLE_LIMITS = Limits(soft_seconds=2.0, hard_seconds=2.5, stall_seconds=2.0, kill_grace_seconds=1.0)
"""A plan looks at many files for a moment; one that takes longer is left to ingest."""


@task(task_run_name="register", **TASK_POLICY)
def register_batch(manifest: str, name: str, options: BatchOptions, batch_id: str = "", owner: str = "") -> Batch:
    """Make a batch known and keep a copy of its manifest.

    Args:
        manifest: An absolute path below an allowed root (or ``file://`` and the path), ``upload:<id>``, an
            ``https://`` address, or ``s3://bucket/key`` in an allowed bucket. A folder is all the videos in it;
            ``{date}`` is the date at which the run was due; empty takes the manifest or the folder of the settings.
        name: Name for people; empty takes the manifest's.
        options: What was chosen.
        batch_id: Of the batch, where its row was made already; empty takes the run's own id.
        owner: Account (e-mail address or id) that a batch without a row will belong to; empty takes the settings'.

    Raises:
        BatchNotConfiguredError: No manifest is given, and the settings name none.
        BatchOwnerError: The owner has no account, or may not hand in work.
    """
    settings, database = get_settings(), _database()
    store = open_store(settings.storage_url, **settings.storage_options)
    if not batch_id:
        batch_id, manifest = job_id(), _tonights(manifest, settings)
    owner_id = _owner(batch_id) or account_of(owner or settings.batch.owner, database)

    def fetch(address: str, target: Path) -> FetchedSource:
        source = _as_source(address)
        if source.startswith("/") and Path(source).is_dir():
            return _listed(allowed_path(source, settings.source_roots), target, settings)
        return fetch_handed_in(source, target, settings, store, database, owner=owner_id)

    with workspace() as scratch:
        intake = Intake(database, store, scratch, run_traceparent())
        batch = intake.register(batch_id, manifest, name, options, fetch, owner_id)
    return _told(batch)


@task(task_run_name="validate", **TASK_POLICY)
def validate_batch(batch_id: str) -> Batch:
    """Check every row of a batch's manifest before any work; the valid ones become items.

    A manifest that cannot be read rejects the batch, and is not tried again; so do invalid rows, unless the batch
    takes those that are valid.
    """
    settings = get_settings()
    store = open_store(settings.storage_url, **settings.storage_options)
    with workspace() as scratch:
        batch = Intake(_database(), store, scratch).validate(batch_id, _rules(settings, _owner(batch_id)))
    get_run_logger().info("The manifest has %d rows.", batch.rows)
    return _told(batch)


@task(task_run_name="plan", **TASK_POLICY)
def plan_batch(batch_id: str) -> BatchPlan:
    """Decide which items of a validated batch need work, and estimate how long that takes and what it costs.

    Raises:
        IllegalMoveError: The batch was not validated, or was rejected.
    """
    batch = _planner(get_settings(), _owner(batch_id)).plan(batch_id)
    _told(batch)
    if batch.plan is None:
        raise IllegalMoveError(f"The batch is {batch.state.value}: there is nothing to plan.", {"batch_id": batch_id})
    for label, value in plan_rows(batch.plan, batch.options.window):
        get_run_logger().info("%s: %s", label, value)
    return batch.plan


def _told(batch: Batch) -> Batch:
    """Say in the run's log how the batch stands."""
    because = f" ({batch.reason.value}). {batch.message}" if batch.reason else "."
    get_run_logger().info("Batch %s is %s%s", batch.id, batch.state.value, because)
    return batch


def _owner(batch_id: str) -> str | None:
    """Return whose a batch is, and whose uploads it may take therefore; ``None`` if it is not known."""
    with _database().session() as session:
        batch = BatchRepository(session).find(batch_id)
    return batch.owner if batch else None


def _database() -> Database:
    return open_database(get_settings().catalogue_url)


def _tonights(manifest: str, settings: Settings) -> str:
    """Return the address of the manifest, the settings' if none is given, with the date filled in."""
    folder = settings.batch.watched_folder
    address = manifest or settings.batch.nightly_manifest or (str(folder.expanduser().absolute()) if folder else "")
    if not address:
        raise BatchNotConfiguredError(
            "There is no manifest: give one, or set DAILIES_BATCH__NIGHTLY_MANIFEST or DAILIES_BATCH__WATCHED_FOLDER."
        )
    try:
        return dated(address, flow_run.get_scheduled_start_time(), settings.batch.time_zone)
    except ValueError as error:
        raise BatchNotConfiguredError(f"The date in {address} cannot be told: {error}.") from error


def _listed(folder: Path, target: Path, settings: Settings) -> FetchedSource:
    """Write the videos of a folder as a manifest, but those that are still being written."""
    newest = time.time_ns() - int(settings.batch.watched_quiet_seconds * 1e9)
    whole = [path for path, look in look_around(folder).items() if look.modified_ns <= newest]
    writing = open_to_write(whole)
    recipes = frozenset(each.recipe.name for each in list_recipes(settings.recipe_folder).found)
    if not write_listing(folder, (path for path in whole if path not in writing), recipes, "", target):
        raise SourceNotFoundError(f"There is no video in {folder} that is whole.", {"folder": str(folder)})
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FetchedSource(target, digest, target.stat().st_size, folder.name)


def _as_source(manifest: str) -> str:
    return unquote(urlsplit(manifest).path) if manifest.startswith("file://") else manifest


def _rules(settings: Settings, owner: str | None) -> ManifestRules:
    """Return what rows of a manifest may ask for."""

    def complete(upload_ids: frozenset[str]) -> frozenset[str]:
        with _database().session() as session:
            return frozenset(UploadRepository(session).contents(upload_ids, owner))

    return ManifestRules(
        resolve_recipe=lambda name: load_recipe(name, settings.recipe_folder),
        sources=SourceRules(**settings.source_options),
        targets=TargetRules(**settings.target_options),
        find_uploads=complete,
    )


def _planner(settings: Settings, owner: str | None) -> Planner:
    media, limits = settings.media, source_limits(settings)
    tools = find_tools(media.ffmpeg, media.ffprobe, media.packager)
    models = ModelStore(settings.models.directory, settings.models.auto_pull)

    def look_into(source: str) -> SourceFacts:
        path = allowed_path(source, limits.allowed_roots)
        return probe(path, tools, max_pixels=settings.ingest.max_pixels, limits=_SAMPLE_LIMITS)

    return Planner(
        database=_database(),
        recipes=Recipes(
            lambda name: load_recipe(name, settings.recipe_folder),
            lambda recipe: made_with(recipe, tools, models, settings.models.detectors),
            lambda recipe: prepared_with(recipe, tools, models),
            lambda recipe: recipe.model_copy(
                update={"edit": named_by_content(recipe.edit, settings, _database(), owner=owner)}
            ),
            JoinedClips(_database(), look_into, owner).seconds,
        ),
        tools=tools.versions(),
        look_at=lambda sources: look_at_sources(sources, limits),
        probe=look_into,
        capacity=_capacity(settings),
        prices=_prices(settings),
        now=lambda: datetime.now(UTC),
    )


def _prices(settings: Settings) -> Prices:
    """Return what machines cost, and the provider that is asked first: another may make it in the end."""
    batch, first = settings.batch, settings.generation.providers[0]
    return Prices(
        cpu_hour=batch.cpu_hour_cost,
        gpu_hour=batch.gpu_hour_cost,
        currency=batch.currency,
        per_generation=first.price_per_generation,
        per_generated_second=first.price_per_second,
    )


def _capacity(settings: Settings) -> Capacity:
    """Return what all machines can work on at once: as many as have a worker, each taken to be like this one."""
    machines, gpus = 1, settings.orchestration.gpu_slots
    try:
        with get_client(sync_client=True) as client:
            workers = client.read_workers_for_work_pool("cpu")
            machines = sum(worker.status == "ONLINE" for worker in workers)
            gpus = client.read_work_pool("gpu").concurrency_limit or gpus
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("The plan takes this machine to be the only one: %s", error)
    return Capacity(encode_slots=encode_slots(settings).units * max(1, machines), gpu_slots=max(1, gpus))
