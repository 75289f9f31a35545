"""What an outcome depends on beside content and recipe: the versions of programs, of models, and of our own code."""

from data.domain.recipes import Recipe
from tasks.media.tools import Toolset
from tasks.models.store import ModelStore

FACE_MODEL = "centerface"
CAPTIONS_VERSION = "captions-1"
"""Changes when what is made of a transcript changes, so that older captions are not found again."""
CHAPTERS_VERSION = "shots-1"
"""Changes when shots are told apart otherwise, or chapters made of them otherwise."""


def made_with(recipe: Recipe, tools: Toolset, models: ModelStore) -> str:
    """Return the versions of everything that a recipe uses, as one line for :func:`data.domain.keys.work_key`."""
    used = [tools.ffmpeg_version, tools.ffmpeg_build, tools.packager_version]
    if recipe.captions.enabled:
        used += [CAPTIONS_VERSION, _version(models, recipe.captions.model)]
    if recipe.chapters.enabled:
        used.append(CHAPTERS_VERSION)
    if recipe.poster.faces:
        used.append(_version(models, FACE_MODEL))
    return " ".join(used)


def _version(models: ModelStore, name: str) -> str:
    return models.version(name) if name in models.names else name
