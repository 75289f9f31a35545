"""What an analysis is asked for, what it is given to look at, and what it comes to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import AnalysisOptions, AnalysisSummary

Picture = NDArray[np.uint8]
"""Height × width × 3, BGR, as OpenCV has it, or height × width, grey."""

HEAT_ROWS, HEAT_COLUMNS = 72, 128


@dataclass(frozen=True, eq=False)
class Sampled:
    """One frame that is looked at."""

    frame: int
    """Its number, from 0, at the video's rate."""
    at_seconds: float
    pixels: Picture
    """BGR; or two-dimensional as :data:`tasks.media.frames.Planes`: small and cheap."""


@dataclass(frozen=True)
class AnalysisPlan:
    """What is looked for, in what, by which models."""

    options: AnalysisOptions
    frame_rate: Fraction
    """Frames a second of the video (a constant rate, as :func:`tasks.media.decoding.decoded_pictures` makes it)."""
    frame_count: int
    """Frames that the video promises; :attr:`tasks.media.decoding.Clip.frame_count`."""
    size: tuple[int, int]
    """Width and height in pixels at which frames are looked at."""
    faces_model: Path | None = None
    """CenterFace, as the model store gives it; needed by the detector ``faces``."""
    onnx_model: Path | None = None
    """The user's ONNX file; needed by the detector ``onnx``."""
    threads: int = 0
    """Of each network; 0 lets the runtime choose."""

    @property
    def duration_seconds(self) -> float:
        """Exact time of the promised frames."""
        return float(self.frame_count / self.frame_rate)

    @property
    def step(self) -> int:
        """Frames from one that is looked at to the next: by ``fps`` and by ``max_frames``, whichever asks for fewer.

        The first one is looked at in any case.
        """
        step = 1
        if self.options.fps is not None:
            step = max(1, round(self.frame_rate / Fraction(self.options.fps)))
        if self.options.max_frames is not None:
            step = max(step, ceil(self.frame_count / self.options.max_frames))
        return min(step, max(1, self.frame_count))

    @property
    def sample_count(self) -> int:
        """Frames that will be looked at."""
        return ceil(self.frame_count / self.step)

    @property
    def samples_per_second(self) -> float:
        """Frames looked at, of each second of the video."""
        return float(self.frame_rate / self.step)


@dataclass(frozen=True, eq=False)
class Analysis:
    """What an analysis came to, apart from the rows and events that its sink was told."""

    summary: AnalysisSummary
    heat: NDArray[np.float32]
    """Rows × columns over the picture: for how many seconds something that was tracked was there."""
    clusters: Mapping[int, int] = field(default_factory=dict)
    """The group of tracks that look alike, by track; without those that were never seen well enough."""


def sampled(pictures: Iterable[Picture], plan: AnalysisPlan) -> Iterator[Sampled]:
    """Number the frames that a plan wants looked at: of every :attr:`AnalysisPlan.step` frames of a video the first."""
    step, (numerator, denominator) = plan.step, plan.frame_rate.as_integer_ratio()
    for count, picture in enumerate(pictures):
        number = count * step
        yield Sampled(number, number * denominator / numerator, picture)
