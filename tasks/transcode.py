"""The transcode stage: one decode of the source into everything that its players need.

A long source is encoded in chunks, each of which is kept (:mod:`tasks.chunks`).

The encode alone waits for a slot of the machine and holds it. What else a run does stays without: probing, packaging,
stills and the gate's decode are short or bound by the disk, and a second queue for them would cost more than they do;
a run that waits for its child on the ``gpu`` pool does nothing at all.
"""

import secrets
from collections.abc import Callable

from prefect import task
from prefect.logging import get_run_logger

from data.database import open_database
from data.domain.assets import Asset
from data.domain.costs import CostStep, cost_variants
from data.domain.keys import package_prefix, package_record_key
from data.domain.publications import Package
from data.domain.recipes import Recipe
from data.repositories import PackageRepository
from data.settings import get_settings
from data.storage import ObjectStore, open_store
from tasks.chunk_helpers import ChunkHelpers
from tasks.chunk_store import ChunkStore
from tasks.chunks import LocalPiecework, helper_parameters, package_key
from tasks.costs import measured
from tasks.encode_slot import encode_slot
from tasks.inputs import fetch_inputs
from tasks.last_use import note_use
from tasks.media.process import Progress
from tasks.media.tools import find_tools
from tasks.media.transcode import transcode
from tasks.packed import packed_job
from tasks.policies import TASK_POLICY, tool_limits
from tasks.progress import StepProgress, step_progress
from tasks.workspace import run_id, workspace

_ENCODER_SHARE = 0.97
"""Of the step's bar; what is left after the encoder's last word is packaging and storing."""


@task(task_run_name="transcode", **TASK_POLICY)
def transcode_asset(asset: Asset, recipe: Recipe) -> Package:
    """Edit and encode an asset as a recipe asks, unless the same content with the same recipe and tools was before.

    One ffmpeg process decodes the source once into every rung, the sound, poster candidates and thumbnails; of a long
    source, one for each chunk. The result goes into the object store as one package.

    Args:
        asset: What to encode.
        recipe: As :func:`tasks.inputs.ingest_inputs` gave it back, where its edits work with further files.
    """
    settings = get_settings()
    media = settings.media
    store = open_store(settings.storage_url, **settings.storage_options)
    tools = find_tools(media.ffmpeg, media.ffprobe, media.packager)
    key = package_key(asset, recipe, tools)
    record_key = package_record_key(asset.id, key)
    variant = cost_variants(recipe)[CostStep.TRANSCODE]
    with step_progress("transcode") as progress, measured(CostStep.TRANSCODE, variant) as work:
        if package := finished_package(store, record_key):
            get_run_logger().info("Nothing to encode: package %s has this content, recipe and tools already.", key)
            return package
        prefix = package_prefix(asset.id, key, secrets.token_hex(4))
        with workspace() as scratch:
            parameters = helper_parameters(asset, recipe, key, media.chunk_seconds)
            piecework = LocalPiecework(
                media.chunk_seconds,
                ChunkStore(store, asset.id, key),
                scratch,
                progress,
                ChunkHelpers(0 if packed_job() else media.chunk_helpers, parameters),
                _ENCODER_SHARE,
            )
            directory = scratch / "package"
            directory.mkdir()
            package = transcode(
                store.fetch(asset.media_key, scratch / "source"),
                asset,
                recipe,
                inputs=fetch_inputs(recipe.edit, store, scratch / "inputs"),
                key=key,
                prefix=prefix,
                directory=directory,
                scratch=scratch,
                tools=tools,
                encode_slot=lambda: encode_slot(progress),
                limits=tool_limits(media),
                on_progress=_encoder_progress(progress),
                run_id=run_id(),
                piecework=piecework,
            )
            store.put_tree(directory, prefix)
        store.put_bytes(package.model_dump_json().encode(), record_key)
        with open_database(settings.catalogue_url).session() as session:
            packages = PackageRepository(session)
            packages.forget(package.key)  # an older attempt's, whose files may be gone
            packages.record(package)
        if piecework.has_pieces:
            piecework.kept.clear()
        for note in package.notes:
            get_run_logger().info("%s", note)
        work.done(asset, sum(package.files.values()), package.duration_seconds, piecework.elsewhere_seconds)
    return package


def finished_package(store: ObjectStore, record_key: str) -> Package | None:
    """Return the package that a record names, if all of its files are still there."""
    record = store.stat(record_key)
    if record is None:
        return None
    note_use(store, record)
    package = Package.model_validate_json(store.get_bytes(record_key))
    there = {stored.key.removeprefix(package.prefix): stored.size_bytes for stored in store.list(package.prefix)}
    return package if all(there.get(path) == size for path, size in package.files.items()) else None


def _encoder_progress(progress: StepProgress) -> Callable[[Progress], None]:
    return lambda encoder: progress.update((encoder.share or 0.0) * _ENCODER_SHARE)
