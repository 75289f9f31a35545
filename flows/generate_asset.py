"""The AI stage alone, on the GPU pool."""

from prefect import flow

from data.domain.assets import Asset
from data.domain.publications import GeneratedArtifacts, Package
from data.domain.recipes import Recipe
from tasks.generate import caption_asset, choose_poster_frame, find_chapters
from tasks.policies import FLOW_POLICY
from tasks.progress import step_progress


@flow(name="generate-asset", **FLOW_POLICY)
def generate_asset(asset: Asset, package: Package, recipe: Recipe) -> GeneratedArtifacts:
    """Make what the recipe asks of AI for one transcoded asset: captions, chapters and a poster.

    Args:
        asset: The asset, as ingest recorded it.
        package: Its package of renditions.
        recipe: What to make.
    """
    with step_progress("generate") as progress:
        captions = caption_asset(asset, package, recipe.captions) if recipe.captions.enabled else None
        progress.update(0.8)
        track = captions.track if captions else None
        transcript = track.transcript_key if track else None
        chapters = find_chapters(asset, package, recipe.chapters, transcript) if recipe.chapters.enabled else None
        progress.update(0.9)
        poster = choose_poster_frame(asset, package, recipe.poster) if recipe.poster.faces else None
    return GeneratedArtifacts(
        captions=(track,) if track else (),
        chapters=chapters.chapters if chapters else (),
        poster=poster,
        notes=(captions.note,) if captions and captions.note else (),
    )
