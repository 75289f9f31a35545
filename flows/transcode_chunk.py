"""One chunk of a long source, made for the job that asked for it; on the CPU pool, on whatever machine."""

from prefect import flow

from data.domain.assets import Asset
from data.domain.recipes import Recipe
from tasks.chunks import help_with_chunk
from tasks.policies import FLOW_POLICY
from tasks.stopping import stoppable


@flow(name="transcode-chunk", **FLOW_POLICY)
def transcode_chunk(asset: Asset, recipe: Recipe, key: str, name: str, chunk_seconds: float) -> str:
    """Encode one chunk of one asset.

    Args:
        asset: The asset, as ingest recorded it.
        recipe: What to make of it.
        key: Of the package that the chunk is a part of.
        name: Of the chunk.
        chunk_seconds: How that job cuts the source, in seconds.
    """
    with stoppable():
        made: str = help_with_chunk(asset, recipe, key, name, chunk_seconds)
    return made
