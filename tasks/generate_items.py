"""The AI stage of a pack: its items one after the other, each with artifacts or a failure of its own."""

import time

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from data.database import open_database
from data.domain.batches import BatchItem
from data.domain.errors import DailiesError, InfrastructureError, ObjectMissingError, is_retryable
from data.domain.keys import item_job_id, package_record_key
from data.domain.publications import GeneratedArtifacts, GeneratedItem, ItemToGenerate
from data.recipes import load_recipe
from data.repositories import AssetRepository
from data.settings import get_settings
from data.storage import open_store
from tasks.bulk.pack import Pack
from tasks.bulk.turns import take_turns
from tasks.generate import generate_all
from tasks.packed import working_for
from tasks.policies import item_retry_delays
from tasks.transcode import finished_package


def generate_pack(
    batch_id: str, run_key: str, pack_run_id: str, items: tuple[ItemToGenerate, ...]
) -> tuple[GeneratedItem, ...]:
    """Run the AI steps of items in turn; the flow's result is what came of each."""
    pack = Pack.open(open_database(get_settings().catalogue_url), batch_id, run_key)
    rows = {item.row: item for item in pack.items}
    results: dict[int, GeneratedItem] = {}

    def work(wanted: ItemToGenerate, may_try_again: bool) -> bool:
        item = rows.get(wanted.row)
        if item is None or not pack.begin(item, "generate"):
            results[wanted.row] = GeneratedItem(row=wanted.row)
            return False
        began = time.monotonic()
        state = generate_item(item, wanted, item_job_id(pack_run_id, item.row), return_state=True)
        seconds = time.monotonic() - began
        outcome = state.result(raise_on_failure=False)
        if isinstance(outcome, GeneratedArtifacts):
            results[item.row] = GeneratedItem(row=item.row, artifacts=outcome, gpu_seconds=seconds)
            return False
        results[item.row] = _failed(item, outcome, seconds)
        get_run_logger().warning("%s: %s", item.custom_id, outcome)
        return may_try_again and is_retryable(outcome)

    take_turns(items, work, item_retry_delays(get_settings().retry))
    return tuple(results[wanted.row] for wanted in items)


@task(task_run_name="{item.custom_id}", persist_result=False, cache_policy=NO_CACHE)
def generate_item(item: BatchItem, wanted: ItemToGenerate, job: str) -> GeneratedArtifacts:
    """Make what the recipe of one item asks of AI."""
    settings = get_settings()
    store = open_store(settings.storage_url, **settings.storage_options)
    with open_database(settings.catalogue_url).session() as session:
        asset = AssetRepository(session).get(wanted.asset_id)
    asset = asset.model_copy(update={"preparation": wanted.preparation})
    package = finished_package(store, package_record_key(asset.id, wanted.package_key))
    if package is None:
        raise ObjectMissingError(f"The package {wanted.package_key} is gone.", {"package": wanted.package_key})
    recipe = load_recipe(item.recipe, settings.recipe_folder).with_overrides(item.overrides)
    with working_for(job):
        return generate_all(asset, package, recipe)


def _failed(item: BatchItem, error: BaseException, seconds: float) -> GeneratedItem:
    known = error if isinstance(error, DailiesError) else InfrastructureError(f"{type(error).__name__}: {error}")
    return GeneratedItem(row=item.row, code=known.code, message=str(known), gpu_seconds=seconds)
