"""The AI stage alone, on the GPU pool: a video made of words, or what AI makes of a video."""

from prefect import flow

from data.domain.assets import Asset
from data.domain.errors import InvalidRequestError
from data.domain.generations import Words
from data.domain.ledger import Subject
from data.domain.publications import GeneratedArtifacts, Package
from data.domain.recipes import Recipe
from data.recipes import load_recipe
from data.settings import get_settings
from tasks.generate import generate_all
from tasks.policies import FLOW_POLICY
from tasks.progress import step_progress
from tasks.stopping import stoppable
from tasks.words import make_video
from tasks.workspace import job_id


@flow(name="generate-asset", **FLOW_POLICY)
def generate_asset(
    asset: Asset | None = None,
    package: Package | None = None,
    recipe: Recipe | str = "default",
    prompt: str = "",
    script: str = "",
    title: str = "",
    subject: Subject | None = None,
) -> GeneratedArtifacts | Asset:
    """Make a video of a prompt or a script; or make what the recipe asks of AI for one transcoded asset.

    What each step makes is kept, so that the same again costs nothing.

    Args:
        asset: The asset, as ingest recorded it, and
        package: its package of renditions; or neither.
        recipe: What to make, and how: a whole recipe, or the name of one.
        prompt: In place of an asset: what a video is to show.
        script: In place of an asset, or with a prompt: what it is to say, word by word.
        title: What to call that video; its words' beginning by default.
        subject: For whom it is made, whose caps on paid work it counts against; this run by default.

    Returns:
        The new asset, or the artifacts of the one that was given.
    """
    plan = load_recipe(recipe, get_settings().recipe_folder) if isinstance(recipe, str) else recipe
    words = Words(prompt=prompt, script=script)
    with stoppable():
        if asset is not None and package is not None:
            with step_progress("generate") as progress:
                return generate_all(asset, package, plan, lambda step, *inputs: step(*inputs), progress.update)
        if not words:
            raise InvalidRequestError("Give a prompt or a script, or an asset with its package.", {"field": "prompt"})
        made: Asset = make_video(words, plan, title, subject or Subject(job_id=job_id()))
    return made
