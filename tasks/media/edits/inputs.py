"""Further files that edits work with, besides the source itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data.domain.assets import SourceFacts


@dataclass(frozen=True)
class Input:
    """A clip, a picture or a sound that a recipe names; at hand as a file while an encode lasts."""

    path: Path
    kind: Literal["clip", "picture", "sound"]
    facts: SourceFacts | None
    """What probing found in it; ``None`` for a picture."""
    size: tuple[int, int] | None
    """Width and height in square pixels; ``None`` for a sound."""
    sha256: str


Inputs = Mapping[str, Input]
"""By the address that the recipe names."""

OpenInput = Callable[[Input], Any]
"""Opens one in the filter graph, safely; returns an input stream of ffmpeg-python."""
