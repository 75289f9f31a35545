"""What engines ask of a request before they send or make anything: does it fit, and what is it in their terms."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image, ImageOps, UnidentifiedImageError

from data.domain.errors import GenerationRejectedError, ProviderMisconfiguredError
from data.domain.generations import Capability, GenerationRequest
from tasks.providers.base import ProviderConfig, ProviderProfile, References

DEFAULT_SECONDS = 4.0
"""Length of a video where neither the request nor the settings name one: what today's models make in one piece."""
_NEARLY_SAME_SHAPE = 0.02

Value = TypeVar("Value")


def words_of(request: GenerationRequest) -> str:
    """Return what is to be seen: the prompt, or the script where there is no prompt."""
    return (request.prompt.strip() or request.script.strip())[:32_000]


def refuse_what_does_not_fit(profile: ProviderProfile, request: GenerationRequest) -> None:
    """Check a request against what a provider can do.

    Raises:
        GenerationRejectedError: It cannot do this, or not for so long, or not with so many words.
    """
    limits, words, seconds = profile.limits, words_of(request), request.options.duration_seconds
    if request.capability not in profile.capabilities:
        takes = sorted(str(each) for each in profile.capabilities)
        raise GenerationRejectedError(
            f"{profile.name} does not make {request.capability}; it makes {', '.join(takes)}.", {"takes": takes}
        )
    if limits.max_prompt_characters is not None and len(words) > limits.max_prompt_characters:
        raise GenerationRejectedError(
            f"{profile.name} takes prompts of {limits.max_prompt_characters} characters, not of {len(words)}.",
            {"max_prompt_characters": limits.max_prompt_characters},
        )
    longest = min(filter(None, (limits.max_duration_seconds, *limits.durations_seconds[-1:])), default=None)
    if seconds is not None and longest is not None and seconds > longest:
        raise GenerationRejectedError(
            f"{profile.name} makes videos of {longest:g} s at most, not of {seconds:g} s.",
            {"takes": [f"{each:g}" for each in limits.durations_seconds], "max_duration_seconds": longest},
        )


def size_among(sizes: Sequence[tuple[int, int]], request: GenerationRequest, name: str) -> tuple[int, int]:
    """Return the size (width, height) that comes closest to what is asked for and has its shape.

    The smallest that is large enough, else the largest.

    Raises:
        GenerationRejectedError: None has the shape; the facts say what there is.
    """
    shape = request.width / request.height
    fitting = sorted(size for size in sizes if abs(size[0] / size[1] / shape - 1) <= _NEARLY_SAME_SHAPE)
    if not fitting:
        takes = [f"{width}x{height}" for width, height in sizes]
        raise GenerationRejectedError(
            f"{name} makes nothing of the shape {request.options.aspect_ratio}; it makes {', '.join(takes)}.",
            {"takes": takes},
        )
    return next((size for size in fitting if size[1] >= request.height), fitting[-1])


def frames_for(seconds: float, frame_rate: float, step: int) -> int:
    """Return how many frames make up so many seconds for a model that makes ``1 + n x step`` frames: never too few."""
    wanted = max(1, round(seconds * frame_rate))
    return 1 + math.ceil((wanted - 1) / step) * step


def picture_of(request: GenerationRequest, references: References) -> Path | None:
    """Return the picture that a request wants to be set in motion; ``None`` where it wants none.

    Raises:
        GenerationRejectedError: It wants one and brings none.
    """
    if request.capability is not Capability.IMAGE_TO_VIDEO:
        return None
    names = [each.name for each in request.shown if each.kind == "image"]
    found = next((references[name] for name in names if name in references), None)
    if found is None:
        raise GenerationRejectedError("A picture is to be set in motion, but the request brings no picture.")
    return found


def fitted_picture(path: Path, width: int, height: int) -> bytes:
    """Return a picture as PNG of exactly this size (pixels), upright, scaled to cover it and cut at its middle.

    Raises:
        GenerationRejectedError: The file is not a picture.
    """
    buffer = io.BytesIO()
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            ImageOps.fit(upright, (width, height), Image.Resampling.LANCZOS).save(buffer, "PNG")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError) as error:
        raise GenerationRejectedError(f"{path.name} is not a picture that can be read.") from error
    return buffer.getvalue()


def option(config: ProviderConfig, name: str, kind: type[Value], default: Value) -> Value:
    """Return an option of a provider's settings.

    Raises:
        ProviderMisconfiguredError: It has another type.
    """
    value: Any = config.options.get(name, default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ProviderMisconfiguredError(
            f"The option {name!r} of the provider {config.name} is to be of the type {kind.__name__}.", {"option": name}
        )
    return value


def refuse_unknown_options(config: ProviderConfig, known: Mapping[str, object] | Sequence[str]) -> None:
    """Check that every option is one that the engine knows: a misspelt one would be ignored in silence.

    Raises:
        ProviderMisconfiguredError: One is not.
    """
    if unknown := sorted(set(config.options) - set(known)):
        raise ProviderMisconfiguredError(
            f"The engine {config.engine} of the provider {config.name} knows no option {', '.join(unknown)}; "
            f"it knows {', '.join(sorted(known))}.",
            {"unknown": unknown},
        )
