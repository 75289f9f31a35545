"""What steps cost: which there are, on which machines they run, and which options decide how much they take."""

from enum import StrEnum

from data.domain.edits import TrimOptions
from data.domain.keys import options_digest
from data.domain.recipes import Recipe


class CostStep(StrEnum):
    """What is measured for itself, and estimated for itself."""

    GENERATION = "generation"
    """A video is made of a prompt or a script."""
    INGEST = "ingest"
    PREPARE = "prepare"
    TRANSCODE = "transcode"
    CAPTIONS = "captions"
    CHAPTERS = "chapters"
    POSTER = "poster"
    MODERATION = "moderation"
    TEXT = "text"
    PASSAGES = "passages"
    ANALYSIS = "analysis"
    PUBLISH = "publish"
    COPY = "copy"
    """What is published is put at the recipe's targets, too."""
    REHEARSE = "rehearse"
    """Everything that a rehearsal does to an item."""

    @property
    def on_gpu_pool(self) -> bool:
        """Whether it is done by models, on the ``gpu`` work pool."""
        return self in _AI_STEPS


_AI_STEPS = frozenset(
    {
        CostStep.GENERATION,
        CostStep.PREPARE,
        CostStep.CAPTIONS,
        CostStep.CHAPTERS,
        CostStep.POSTER,
        CostStep.MODERATION,
        CostStep.TEXT,
        CostStep.PASSAGES,
        CostStep.ANALYSIS,
    }
)


_A_COPY = TrimOptions(start_seconds=1, cut="keyframe")
_DECODE_SHARE = 0.15
"""Of the work of an encode, what is no encoder's: decoding, stills, sound."""


def cost_variants(recipe: Recipe, *, from_words: bool = False) -> dict[CostStep, str]:
    """Return the steps that a recipe takes, each with the digest of what decides how much it costs.

    Args:
        recipe: What is to be done.
        from_words: To what is made of a prompt or a script, and not to a source.
    """
    if recipe.rehearsal:
        return {CostStep.REHEARSE: ""}
    costly = _as_costly(recipe)
    encode = options_digest(costly.transcode_options())
    steps = {CostStep.GENERATION: recipe.generation.digest()} if from_words else {CostStep.INGEST: ""}
    if recipe.has_preparation:
        steps[CostStep.PREPARE] = options_digest(costly.preparation_options())
    steps[CostStep.TRANSCODE] = encode
    if recipe.captions.enabled:
        steps[CostStep.CAPTIONS] = options_digest(recipe.captions.model_dump(mode="json"))
    if recipe.chapters.enabled:
        steps[CostStep.CHAPTERS] = options_digest(recipe.chapters.model_dump(mode="json"))
    if recipe.poster.faces:
        steps[CostStep.POSTER] = options_digest(recipe.poster.model_dump(mode="json"))
    if recipe.moderation.enabled:
        steps[CostStep.MODERATION] = options_digest(recipe.moderation.model_dump(mode="json"))
    if recipe.text.enabled:
        steps[CostStep.TEXT] = options_digest(recipe.text.model_dump(mode="json"))
    if recipe.has_words:
        steps[CostStep.PASSAGES] = options_digest(recipe.search.model_dump(mode="json"))
    if recipe.analysis.enabled:
        steps[CostStep.ANALYSIS] = options_digest(recipe.analysis.model_dump(mode="json"))
    steps[CostStep.PUBLISH] = encode
    if recipe.publish.targets:
        parts = [sorted(target.parts) for target in recipe.publish.targets]
        steps[CostStep.COPY] = options_digest({"encode": encode, "parts": parts})
    return steps


def encoded_share(recipe: Recipe) -> float:
    """Return what share (0–1) of the work of an encode is left where a recipe has pictures copied, if they can be."""
    sizes = [rung.short_side**2 for rung in recipe.video.ladder.rungs]
    left = sum(sizes) - max(sizes) if recipe.wants_copy else sum(sizes)
    return _DECODE_SHARE + (1 - _DECODE_SHARE) * left / sum(sizes)


def _as_costly(recipe: Recipe) -> Recipe:
    """Return a recipe without what may differ from row to row and costs nothing: the times of a trim, names of files.

    How long the outcome lasts is measured beside it; one logo, intro or text costs what another does. A part that is
    copied costs less than one that is encoded.
    """
    edit, named = recipe.edit, "given"
    trim = _A_COPY if edit.effective.trim.cut == _A_COPY.cut else TrimOptions()
    alike = edit.addressed(dict.fromkeys(edit.sources, named), named if edit.watermark.has_text else "")
    mark = alike.watermark.model_copy(update={"text": named if edit.watermark.has_text else ""})
    return recipe.model_copy(update={"edit": alike.model_copy(update={"trim": trim, "watermark": mark})})
