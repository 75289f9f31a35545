"""A pack: several short items of a batch in one run, each with a result, a failure and a cost of its own.

The stages are those of a single asset, called as plain functions. An item is one task run; the catalogue's row is its
result, so nothing is persisted. A retry follows the error's own word, as everywhere, but lets the other items go first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger

from data.database import open_database
from data.domain.assets import Asset
from data.domain.batches import BatchItem
from data.domain.errors import DataError, error_of_code, is_retryable
from data.domain.keys import item_job_id
from data.domain.publications import GeneratedArtifacts, ItemToGenerate, Package
from data.domain.recipes import Recipe
from data.recipes import load_recipe, rehearsal_names
from data.settings import get_settings
from tasks.bulk.pack import Pack
from tasks.bulk.turns import take_turns
from tasks.copies import check_targets
from tasks.costs import processor_seconds
from tasks.handover import hand_over_items, hand_over_preparation
from tasks.ingest import ingest_source
from tasks.inputs import ingest_inputs
from tasks.packed import working_for
from tasks.policies import item_retry_delays
from tasks.publish import publish_asset
from tasks.transcode import transcode_asset
from tasks.workspace import run_id

_REHEARSED_AT_ONCE = 100
"""A task run for each item would cost many times what rehearsing it does."""


@dataclass(frozen=True)
class Encoded:
    """An item of which the AI steps and the publication are left."""

    item: BatchItem
    recipe: Recipe
    asset: Asset
    package: Package
    cost: float
    """Of what was done so far, in the settings' currency."""
    artifacts: GeneratedArtifacts = field(default_factory=GeneratedArtifacts)


def open_pack(batch_id: str, run_key: str) -> Pack:
    """Return the items that this run is to work on."""
    return Pack.open(open_database(get_settings().catalogue_url), batch_id, run_key)


def process_pack(pack: Pack) -> None:
    """Bring every item of a pack to an end of its own, or back to be fed again."""
    rehearsals = rehearsal_names(get_settings().recipe_folder)
    rehearsed = pack.of_recipes(rehearsals)
    for first in range(0, len(rehearsed.items), _REHEARSED_AT_ONCE):
        rehearse_items(rehearsed, first, min(_REHEARSED_AT_ONCE, len(rehearsed.items) - first))
    real = [_Turn(item) for item in pack.items if item.recipe not in rehearsals]
    encoded = _work_through(pack, real, lambda turn: process_item(pack, turn.item, return_state=True))
    made = _generated(pack, [each for each in encoded if each is not None])
    _work_through(pack, made, lambda turn: publish_item(pack, turn.encoded, return_state=True))


@task(task_run_name="rehearse {count} items", persist_result=False, cache_policy=NO_CACHE)
def rehearse_items(pack: Pack, first: int, count: int) -> None:
    """Go through the motions with several items: begin them, check what they ask for, and end them."""
    fit = []
    for item in pack.begin_all(pack.items[first : first + count], "rehearse"):
        try:
            _recipe(item)
        except DataError as error:
            pack.fail(item, error, cost=0.0)
        else:
            fit.append(item)
    pack.succeed_all(tuple(fit))


@task(task_run_name="{item.custom_id}", persist_result=False, cache_policy=NO_CACHE)
def process_item(pack: Pack, item: BatchItem) -> Encoded | None:
    """Take one item from ingest to publication.

    Returns:
        The item, if it has AI steps: those are run for all items of the pack at once.
    """
    began = processor_seconds()
    with working_for(item_job_id(run_id(), item.row)):
        if not pack.begin(item, "ingest"):
            return None
        recipe = check_targets(_recipe(item).for_one_asset())
        asset = ingest_source.fn(item.source)
        if recipe.edit.needs_inputs:
            recipe = ingest_inputs.fn(recipe)
        if recipe.has_preparation:
            if not pack.begin(item, "prepare"):
                return None
            asset = hand_over_preparation.fn(asset, recipe)
        if not pack.begin(item, "transcode"):
            return None
        package = transcode_asset.fn(asset, recipe)
        encoded = Encoded(item, recipe, asset, package, _cpu_cost(processor_seconds() - began))
        if recipe.has_ai_steps:
            return encoded
        _publish(pack, encoded)
        return None


@task(task_run_name="publish {encoded.item.custom_id}", persist_result=False, cache_policy=NO_CACHE)
def publish_item(pack: Pack, encoded: Encoded) -> None:
    """Publish one item with what its AI steps made."""
    with working_for(item_job_id(run_id(), encoded.item.row)):
        _publish(pack, encoded)


def _publish(pack: Pack, encoded: Encoded) -> None:
    item, began = encoded.item, processor_seconds()
    if pack.begin(item, "publish"):
        manifest = publish_asset.fn(encoded.asset, encoded.package, encoded.artifacts, encoded.recipe, item.title)
        cost = encoded.cost + _cpu_cost(processor_seconds() - began)
        pack.succeed(item, encoded.asset.id, None if manifest.awaits_review else manifest.version, cost)


@dataclass
class _Turn:
    """An item in the line of its pack, with what its tries have cost."""

    item: BatchItem
    encoded: Encoded | None = None
    cost: float = 0.0


def _work_through(pack: Pack, line: Sequence[_Turn], run: Callable[[_Turn], State[Any]]) -> list[Any]:
    """Have a task run for each item in turn, and end those that fail; return the results of the others."""
    results: list[Any] = []

    def work(turn: _Turn, may_try_again: bool) -> bool:
        began = processor_seconds()
        # As a state, whatever the error: that of one item must not end the others' run.
        state = run(turn)
        turn.cost += _cpu_cost(processor_seconds() - began)
        if state.is_completed():
            results.append(state.result())
            return False
        error = _error(state)
        if may_try_again and is_retryable(error):
            return True
        _fail(pack, turn, error)
        return False

    take_turns(line, work, item_retry_delays(get_settings().retry))
    return results


def _generated(pack: Pack, encoded: Sequence[Encoded]) -> list[_Turn]:
    """Have the AI steps of items run as one run on the ``gpu`` pool; return those that can be published now."""
    if not encoded:
        return []
    turns = {each.item.row: _Turn(each.item, each, each.cost) for each in encoded}
    wanted = tuple(
        ItemToGenerate(
            row=each.item.row,
            asset_id=each.asset.id,
            package_key=each.package.key,
            preparation=each.asset.preparation,
        )
        for each in encoded
    )
    state = hand_over_items(pack.batch_id, pack.run_key, wanted, return_state=True)
    if not state.is_completed():
        for turn in turns.values():
            _fail(pack, turn, _error(state))
        return []
    made = []
    for result in state.result():
        turn = turns[result.row]
        turn.cost += result.gpu_seconds / 3600 * get_settings().batch.gpu_hour_cost
        if result.artifacts is not None:
            assert turn.encoded is not None
            turn.encoded = replace(turn.encoded, cost=turn.cost, artifacts=result.artifacts)
            made.append(turn)
        elif result.code is not None:
            _fail(pack, turn, error_of_code(result.code, result.message))
    return made


def _fail(pack: Pack, turn: _Turn, error: BaseException) -> None:
    ended = pack.fail(turn.item, error, turn.cost)
    get_run_logger().warning("%s %s: %s", turn.item.custom_id, "failed" if ended else "is to be fed again", error)


def _error(state: State[Any]) -> BaseException:
    error = state.result(raise_on_failure=False)
    assert isinstance(error, BaseException), error
    return error


def _recipe(item: BatchItem) -> Recipe:
    return _named_recipe(item.recipe).with_overrides(item.overrides)


@lru_cache(maxsize=64)
def _named_recipe(name: str) -> Recipe:
    return load_recipe(name, get_settings().recipe_folder)


def _cpu_cost(machine_seconds: float) -> float:
    return machine_seconds / 3600 * get_settings().batch.cpu_hour_cost
