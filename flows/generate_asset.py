"""The AI stage alone, on the GPU pool."""

from prefect import flow

from data.domain.assets import Asset
from data.domain.publications import GeneratedArtifacts, Package
from data.domain.recipes import Recipe
from tasks.generate import caption_asset, choose_poster_frame, find_chapters, gathered
from tasks.policies import FLOW_POLICY
from tasks.progress import step_progress
from tasks.stopping import stoppable


@flow(name="generate-asset", **FLOW_POLICY)
def generate_asset(asset: Asset, package: Package, recipe: Recipe) -> GeneratedArtifacts:
    """Make what the recipe asks of AI for one transcoded asset: captions, chapters and a poster.

    Args:
        asset: The asset, as ingest recorded it.
        package: Its package of renditions.
        recipe: What to make.
    """
    with stoppable(), step_progress("generate") as progress:
        captions = caption_asset(asset, package, recipe.captions) if recipe.captions.enabled else None
        progress.update(0.8)
        transcript = captions.track.transcript_key if captions and captions.track else None
        chapters = find_chapters(asset, package, recipe.chapters, transcript) if recipe.chapters.enabled else None
        progress.update(0.9)
        poster = choose_poster_frame(asset, package, recipe.poster) if recipe.poster.faces else None
    return gathered(captions, chapters, poster)
