"""What steps cost: which there are, on which machines they run, and which options decide how much they take."""

from enum import StrEnum

from data.domain.keys import options_digest
from data.domain.recipes import Recipe


class CostStep(StrEnum):
    """What is measured for itself, and estimated for itself."""

    INGEST = "ingest"
    PREPARE = "prepare"
    TRANSCODE = "transcode"
    CAPTIONS = "captions"
    CHAPTERS = "chapters"
    POSTER = "poster"
    PUBLISH = "publish"
    REHEARSE = "rehearse"
    """Everything that a rehearsal does to an item."""

    @property
    def on_gpu_pool(self) -> bool:
        """Whether it is done by models, on the ``gpu`` work pool."""
        return self in _AI_STEPS


_AI_STEPS = frozenset({CostStep.PREPARE, CostStep.CAPTIONS, CostStep.CHAPTERS, CostStep.POSTER})


def cost_variants(recipe: Recipe) -> dict[CostStep, str]:
    """Return the steps that a recipe takes, each with the digest of what decides how much it costs."""
    if recipe.rehearsal:
        return {CostStep.REHEARSE: ""}
    encode = options_digest(recipe.transcode_options())
    steps = {CostStep.INGEST: ""}
    if recipe.has_preparation:
        steps[CostStep.PREPARE] = options_digest(recipe.preparation_options())
    steps[CostStep.TRANSCODE] = encode
    if recipe.captions.enabled:
        steps[CostStep.CAPTIONS] = options_digest(recipe.captions.model_dump(mode="json"))
    if recipe.chapters.enabled:
        steps[CostStep.CHAPTERS] = options_digest(recipe.chapters.model_dump(mode="json"))
    if recipe.poster.faces:
        steps[CostStep.POSTER] = options_digest(recipe.poster.model_dump(mode="json"))
    return {**steps, CostStep.PUBLISH: encode}
