"""The pipeline for one asset: ingest → (prepare) → transcode → generate → publish."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from data.domain.publications import GeneratedArtifacts, PublicationManifest
from data.domain.sources import file_name
from data.recipes import load_recipe
from data.settings import get_settings
from tasks.handover import hand_over_generation, hand_over_preparation
from tasks.ingest import ingest_source
from tasks.policies import FLOW_POLICY
from tasks.publish import outcome, publish_asset
from tasks.stopping import stoppable
from tasks.transcode import transcode_asset


def run_name() -> str:
    """Name a run for people: by its title, else by the file that it takes in, else as whoever submitted it did."""
    parameters = flow_run.get_parameters() or {}
    name = parameters.get("title") or file_name(str(parameters.get("source", "")))
    return str(name or flow_run.get_name() or "video")


@flow(name="process-asset", flow_run_name=run_name, **FLOW_POLICY)
def process_asset(
    source: str,
    recipe: str = "default",
    overrides: dict[str, Any] | None = None,
    title: str = "",
    metadata: dict[str, Any] | None = None,
) -> PublicationManifest | State[PublicationManifest]:
    """Take one source from ingest to publication, or to the version that waits for a person's decision.

    Args:
        source: An absolute path below an allowed root, ``upload:<id>``, an ``https://`` address, or ``s3://bucket/key``.
        recipe: Name of the recipe.
        overrides: Recipe fields replaced by dotted name, for example ``{"captions.language": "en"}``.
        title: Title of the publication; the file's name by default.
        metadata: Anything of the caller's, kept with the run.
    """
    plan = load_recipe(recipe, get_settings().recipe_folder).with_overrides(overrides or {}).for_one_asset()
    with stoppable():
        asset = ingest_source(source)
        if plan.has_preparation:
            asset = hand_over_preparation(asset, plan)
        package = transcode_asset(asset, plan)
        artifacts = hand_over_generation(asset, package, plan) if plan.has_ai_steps else GeneratedArtifacts()
        return outcome(publish_asset(asset, package, artifacts, plan, title))
