"""The AI stage alone, on the GPU pool."""

from prefect import flow

from data.domain.assets import Asset
from data.domain.publications import GeneratedArtifacts, Package
from data.domain.recipes import Recipe
from tasks.generate import generate_all
from tasks.policies import FLOW_POLICY
from tasks.progress import step_progress
from tasks.stopping import stoppable


@flow(name="generate-asset", **FLOW_POLICY)
def generate_asset(asset: Asset, package: Package, recipe: Recipe) -> GeneratedArtifacts:
    """Make what the recipe asks of AI for one transcoded asset.

    What each step makes is kept, so that the same again costs nothing.

    Args:
        asset: The asset, as ingest recorded it.
        package: Its package of renditions.
        recipe: What to make.
    """
    with stoppable(), step_progress("generate") as progress:
        return generate_all(asset, package, recipe, lambda step, *inputs: step(*inputs), progress.update)
