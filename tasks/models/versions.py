"""What an outcome depends on beside content and recipe: the versions of programs, of models, and of our own code."""

from data.domain.recipes import Recipe
from tasks.media.tools import Toolset
from tasks.models.speech_cleanup import VERSION as SPEECH_CLEANUP_VERSION
from tasks.models.store import ModelStore

FACE_MODEL = "centerface"
CAPTIONS_VERSION = "captions-1"
"""Changes when what is made of a transcript changes, so that older captions are not found again."""
CHAPTERS_VERSION = "shots-1"
"""Changes when shots are told apart otherwise, or chapters made of them otherwise."""


PREPARE_VERSION = "prepare-1"
"""Changes when pictures or sound are changed otherwise."""
UPSCALE_MODEL = "realesr-animevideov3"
SALIENCY_MODEL = "u2netp"
CAPTION_FONT = "source-sans-pro"


def prepared_with(recipe: Recipe, tools: Toolset, models: ModelStore) -> str:
    """Return the versions of everything that changes picture or sound as a recipe asks; empty where nothing does."""
    if not recipe.has_preparation:
        return ""
    used = [PREPARE_VERSION, tools.ffmpeg_version, tools.ffmpeg_build]
    if recipe.reframe.enabled or recipe.anonymise.enabled:
        used.append(_version(models, FACE_MODEL))
    if recipe.reframe.enabled:
        used.append(_version(models, SALIENCY_MODEL))
    if recipe.upscale.enabled:
        used.append(_version(models, UPSCALE_MODEL))
    if recipe.speech.clean_up:
        used.append(SPEECH_CLEANUP_VERSION)
    if recipe.burn_in.style != "none":
        used += [CAPTIONS_VERSION, _version(models, recipe.captions.model), _version(models, CAPTION_FONT)]
    return " ".join(used)


def made_with(recipe: Recipe, tools: Toolset, models: ModelStore) -> str:
    """Return the versions of everything that a recipe uses, as one line for :func:`data.domain.keys.work_key`."""
    used = [tools.ffmpeg_version, tools.ffmpeg_build, tools.packager_version]
    if recipe.captions.enabled:
        used += [CAPTIONS_VERSION, _version(models, recipe.captions.model)]
    if recipe.chapters.enabled:
        used.append(CHAPTERS_VERSION)
    if recipe.poster.faces:
        used.append(_version(models, FACE_MODEL))
    if recipe.has_preparation:
        used.append(prepared_with(recipe, tools, models))
    return " ".join(used)


def _version(models: ModelStore, name: str) -> str:
    return models.version(name) if name in models.names else name
