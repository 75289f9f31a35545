"""What the AI steps share: their stores and input, and how what they make is found again by content and options."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from prefect.logging import get_run_logger

from data.database import open_database
from data.domain.assets import Asset
from data.domain.costs import CostStep
from data.domain.keys import artifact_prefix, options_digest
from data.domain.model import DomainModel
from data.domain.publications import AudioRendition, Package, PublicationManifest, Rendition
from data.repositories import ArtifactRepository
from data.settings import get_settings
from data.storage import ObjectStore, open_store
from tasks.costs import measured
from tasks.last_use import note_use
from tasks.media.packaging import join_segments
from tasks.models.store import ModelStore
from tasks.workspace import job_id

_RECORD = "record.json"

Made = TypeVar("Made", bound=DomainModel)


def object_store() -> ObjectStore:
    """Return the store of the settings."""
    settings = get_settings()
    return open_store(settings.storage_url, **settings.storage_options)


def model_store() -> ModelStore:
    """Return the model store of the settings."""
    models = get_settings().models
    return ModelStore(models.directory, models.auto_pull)


def fetch_track(
    store: ObjectStore, package: Package | PublicationManifest, track: Rendition | AudioRendition, scratch: Path
) -> Path:
    """Bring one track of a package, or of what is public, into the workspace as a single file."""
    for path in (track.playlist_path, *(path for path in package.files if path.startswith(track.media_prefix))):
        store.fetch(package.prefix + path, scratch / path)
    return join_segments(scratch, track.playlist_path, scratch / "track.mp4")


def rung_up_to(renditions: Sequence[Rendition], short_side: int) -> Rendition:
    """Return the largest of some rungs that is no larger than that on its shorter side; the smallest where all are."""
    fitting = [rung for rung in renditions if min(rung.width, rung.height) <= short_side]
    return fitting[0] if fitting else renditions[-1]


def made_once(
    kind: type[Made],
    asset: Asset,
    step: CostStep,
    options: DomainModel,
    key: str,
    make: Callable[[str], Made],
    media_seconds: float | None = None,
) -> Made:
    """Return what was made before for the same content and options, else make it; its record is written last.

    Args:
        kind: What the step comes to.
        asset: Whose it is.
        step: Which one it is.
        options: The part of the recipe that decides what it costs.
        key: Of content, options and versions (:func:`data.domain.keys.step_key`).
        make: Makes it, given the prefix below which it may store files.
        media_seconds: How long the video is that it is made of, if that is not the asset itself.
    """
    store, prefix = object_store(), artifact_prefix(asset.id, step, key)
    if record := store.stat(prefix + _RECORD):
        note_use(store, record)
        get_run_logger().info("Nothing to do for %s: the same content and options were done before.", step)
        return kind.model_validate_json(store.get_bytes(prefix + _RECORD))
    with measured(step, options_digest(options.model_dump(mode="json"))) as work:
        made = make(prefix)
        work.done(asset, media_seconds=media_seconds)
    store.put_bytes(made.model_dump_json().encode(), prefix + _RECORD)
    with open_database(get_settings().catalogue_url).session() as session:
        details = made.model_dump(mode="json")
        ArtifactRepository(session).record(asset.id, step, key, prefix=prefix, details=details, job_id=job_id())
    return made
