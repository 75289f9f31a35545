"""Hand the AI stage over to the GPU pool and wait for what comes back, holding no slot meanwhile."""

import math
import time
from typing import Any
from uuid import UUID

from prefect import task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from pydantic import TypeAdapter

from data.database import open_database
from data.domain.assets import Asset
from data.domain.errors import (
    CancelledByRequestError,
    InfrastructureError,
    error_of_code,
)
from data.domain.generations import Words
from data.domain.identity import LOCAL_USER
from data.domain.jobs import batch_of, error_code
from data.domain.ledger import Subject
from data.domain.model import DomainModel
from data.domain.publications import GeneratedArtifacts, GeneratedItem, ItemToGenerate, Package
from data.domain.recipes import Recipe
from data.repositories import AnalysisJobRepository, AssetRepository, SourceVersionRepository
from data.settings import get_settings
from data.storage import open_store
from tasks.child_runs import POLL_SECONDS, begin_child, cancel_child, while_away
from tasks.media.tools import find_tools
from tasks.models.store import ModelStore
from tasks.policies import TASK_POLICY
from tasks.preparation import found_preparation, preparation_key
from tasks.stopping import RunStopped, waiting
from tasks.workspace import job_id, job_owner, run_id

PREPARE_DEPLOYMENT = "prepare-asset/on-demand"
GENERATE_DEPLOYMENT = "generate-asset/on-demand"
GENERATE_ITEMS_DEPLOYMENT = "generate-items/on-demand"
_GENERATED_ITEMS = TypeAdapter(tuple[GeneratedItem, ...])
_STOP_SECONDS = 4.0
"""A parent that is stopped waits so long for its child to have stopped too, so as to be paused when all work is."""


@task(task_run_name="make", **TASK_POLICY)
def hand_over_words(words: Words, recipe: Recipe, title: str, address: str) -> Asset:
    """Have a video made of words, as a run of its own on the ``gpu`` work pool, and take it for this job's asset.

    Args:
        words: What it is made of.
        recipe: Says how (``generation``).
        title: What to call it; its words' beginning by default.
        address: By which later plans know that it was made (:func:`data.domain.keys.words_address`).
    """
    subject = Subject(job_id=job_id(), batch_id=batch_of(flow_run.get_tags()))
    parameters = {
        **words.model_dump(),
        "title": title,
        "recipe": recipe.model_dump(mode="json"),
        "subject": subject.model_dump(mode="json"),
    }
    asset = Asset.model_validate(_result_of_child(GENERATE_DEPLOYMENT, parameters))
    with open_database(get_settings().catalogue_url).session() as session:
        AssetRepository(session).bind_job(job_id(), asset.id, job_owner() or LOCAL_USER)
        SourceVersionRepository(session).record(address, recipe.generation.digest(), asset.id)
    return asset


@task(task_run_name="prepare", **TASK_POLICY)
def hand_over_preparation(asset: Asset, recipe: Recipe) -> Asset:
    """Change picture and sound as the recipe asks, as a run of its own on the ``gpu`` work pool, and wait for it.

    What was done before is found by a look, without a run.
    """
    settings = get_settings()
    media, store = settings.media, open_store(settings.storage_url, **settings.storage_options)
    tools = find_tools(media.ffmpeg, media.ffprobe, media.packager)
    models = ModelStore(settings.models.directory, settings.models.auto_pull)
    if found := found_preparation(store, asset, preparation_key(asset, recipe, tools, models)):
        get_run_logger().info("Nothing to prepare: the same content and options were done before.")
        return found
    parameters = {"asset": asset.model_dump(mode="json"), "recipe": recipe.model_dump(mode="json")}
    return Asset.model_validate(_result_of_child(PREPARE_DEPLOYMENT, parameters))


@task(task_run_name="generate", **TASK_POLICY)
def hand_over_generation(asset: Asset, package: Package, recipe: Recipe) -> GeneratedArtifacts:
    """Run the AI steps of the recipe as a run of their own on the ``gpu`` work pool, and wait for it."""
    documents: dict[str, DomainModel] = {"asset": asset, "package": package, "recipe": recipe}
    parameters = {name: each.model_dump(mode="json") for name, each in documents.items()}
    artifacts = GeneratedArtifacts.model_validate(_result_of_child(GENERATE_DEPLOYMENT, parameters))
    if artifacts.analysis:  # that run has it on record as its own; who asks later asks for this job's
        with open_database(get_settings().catalogue_url).session() as session:
            record = AnalysisJobRepository(session).record
            record(job_id(), asset.id, artifacts.analysis.key, job_owner() or LOCAL_USER)
    return artifacts


@task(task_run_name="generate", **TASK_POLICY)
def hand_over_items(batch_id: str, run_key: str, items: tuple[ItemToGenerate, ...]) -> tuple[GeneratedItem, ...]:
    """Run the AI steps of several items of a batch as one run on the ``gpu`` work pool, and wait for it.

    What was made before a crash of that run is found again by the next one.
    """
    parameters = {
        "batch_id": batch_id,
        "run_key": run_key,
        "pack_run_id": run_id(),
        "items": [item.model_dump(mode="json") for item in items],
    }
    return _GENERATED_ITEMS.validate_python(_result_of_child(GENERATE_ITEMS_DEPLOYMENT, parameters))


def _result_of_child(deployment: str, parameters: dict[str, Any]) -> Any:
    """Make a run, wait for its end and return its result; it is stopped when this one is."""
    child = begin_child(deployment, parameters)
    get_run_logger().info("The AI steps run on the gpu pool as flow run %s.", child.id)
    with get_client(sync_client=True) as client:
        try:
            with waiting():
                finished = _wait(client, child.id)
        except RunStopped:
            cancel_child(client, child.id)
            _wait(client, child.id, _STOP_SECONDS)
            raise
        except BaseException:
            cancel_child(client, child.id)
            raise
    return _outcome(finished)


def _wait(client: SyncPrefectClient, run_id: UUID, most_seconds: float = math.inf) -> FlowRun:
    """Wait for the end of a run, or as long as there is time; return the run as it is then."""
    deadline = time.monotonic() + most_seconds
    while True:
        child = while_away(lambda: client.read_flow_run(run_id))
        if (child.state and child.state.is_final()) or time.monotonic() > deadline:
            return child
        time.sleep(POLL_SECONDS)


def _outcome(child: FlowRun) -> Any:
    """Return the child's result, or raise its failure as our own."""
    state = child.state
    assert state is not None
    if state.is_completed():
        return state.result()
    message = state.message or f"The AI steps ended as {state.name}."
    if state.is_cancelled():
        raise CancelledByRequestError(f"The AI steps were cancelled (flow run {child.id}).")
    if state.is_crashed():
        raise InfrastructureError(f"The AI steps crashed (flow run {child.id}): {message}")
    code = error_code(message)
    raise error_of_code(code, message[message.find(f"[{code}]") :] if code else message)
