"""The pipeline for one asset: ingest → (prepare) → transcode → generate → publish."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from data.domain.generations import Words
from data.domain.keys import wish_key, words_address
from data.domain.publications import GeneratedArtifacts, PublicationManifest
from data.domain.sources import file_name
from data.recipes import load_recipe
from data.settings import get_settings
from tasks.copies import check_targets
from tasks.handover import hand_over_generation, hand_over_preparation, hand_over_words
from tasks.ingest import ingest_source
from tasks.inputs import ingest_inputs
from tasks.policies import FLOW_POLICY
from tasks.publish import outcome, publish_asset
from tasks.stopping import stoppable
from tasks.transcode import transcode_asset


def run_name() -> str:
    """Name a run for people: by its title, else by the file that it takes in, else as whoever submitted it did."""
    parameters = flow_run.get_parameters() or {}
    words = Words(prompt=str(parameters.get("prompt") or ""), script=str(parameters.get("script") or ""))
    name = parameters.get("title") or file_name(str(parameters.get("source") or "")) or words.title
    return str(name or flow_run.get_name() or "video")


@flow(name="process-asset", flow_run_name=run_name, **FLOW_POLICY)
def process_asset(
    source: str = "",
    recipe: str = "default",
    overrides: dict[str, Any] | None = None,
    title: str = "",
    metadata: dict[str, Any] | None = None,
    prompt: str = "",
    script: str = "",
) -> PublicationManifest | State[PublicationManifest]:
    """Take one source, or the video made of a prompt or a script, to publication or to a person's decision.

    Args:
        source: An absolute path below an allowed root, ``upload:<id>``, an ``https://`` address, or ``s3://bucket/key``.
        recipe: Name of the recipe.
        overrides: Recipe fields replaced by dotted name, for example ``{"captions.language": "en"}``.
        title: Title of the publication; the file's name by default.
        metadata: Anything of the caller's, kept with the run.
        prompt: In place of a source: what a video is to show.
        script: In place of a source, or with a prompt: what it is to say, word by word.
    """
    named = load_recipe(recipe, get_settings().recipe_folder).with_overrides(overrides or {})
    plan = check_targets(named.for_one_asset())
    words = Words(prompt=prompt, script=script)
    with stoppable():
        if words and not source:
            wish = wish_key("", prompt, script, recipe, overrides or {}, title)
            asset = hand_over_words(words, plan, title, words_address(wish))
        else:
            asset = ingest_source(source)
        if plan.edit.needs_inputs:
            plan = ingest_inputs(plan)
        if plan.has_preparation:
            asset = hand_over_preparation(asset, plan)
        package = transcode_asset(asset, plan)
        artifacts = hand_over_generation(asset, package, plan) if plan.has_ai_steps else GeneratedArtifacts()
        return outcome(publish_asset(asset, package, artifacts, plan, title))
