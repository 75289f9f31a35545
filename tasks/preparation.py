"""How a preparation is found again: by content, options, and the versions of what made it."""

from data.domain.assets import Asset, Preparation
from data.domain.keys import artifact_prefix, step_key
from data.domain.recipes import Recipe
from data.storage import ObjectStore
from tasks.last_use import note_use
from tasks.media.tools import Toolset
from tasks.models.store import ModelStore
from tasks.models.versions import prepared_with

RECORD = "record.json"


def preparation_key(asset: Asset, recipe: Recipe, tools: Toolset, models: ModelStore) -> str:
    """Return the cache key of preparing an asset as a recipe asks."""
    return step_key("prepare", asset.sha256, recipe.preparation_options(), prepared_with(recipe, tools, models))


def found_preparation(store: ObjectStore, asset: Asset, key: str) -> Asset | None:
    """Return the asset as it was prepared before, if the outcome is still there."""
    record_key = f"{artifact_prefix(asset.id, 'prepare', key)}{RECORD}"
    record = store.stat(record_key)
    if record is None:
        return None
    note_use(store, record)
    preparation = Preparation.model_validate_json(store.get_bytes(record_key))
    if store.stat(preparation.media_key) is None:
        return None
    return asset.model_copy(update={"preparation": preparation})
