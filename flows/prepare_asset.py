"""The prepare stage alone, on the GPU pool."""

from prefect import flow

from data.domain.assets import Asset
from data.domain.recipes import Recipe
from tasks.policies import FLOW_POLICY
from tasks.prepare import prepare_source
from tasks.stopping import stoppable


@flow(name="prepare-asset", **FLOW_POLICY)
def prepare_asset(asset: Asset, recipe: Recipe) -> Asset:
    """Change picture and sound of one asset as the recipe asks: reframe, hide faces, upscale, clean up, burn in.

    Args:
        asset: The asset, as ingest recorded it.
        recipe: What to change.
    """
    with stoppable():
        prepared: Asset = prepare_source(asset, recipe)
    return prepared
