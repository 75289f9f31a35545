"""Decide what the one decode makes: sizes, frame rate, counts and intervals. Pure arithmetic on facts and recipe.

Everything in time is counted in frames of the output's constant rate, so that the time of any thumbnail, poster
candidate or segment is exact and known before ffmpeg runs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from data.domain.assets import SourceFacts
from data.domain.errors import RecipeInvalidError
from data.domain.ladders import RenditionSpec
from data.domain.recipes import Recipe
from tasks.media.edits import rotate
from tasks.media.edits.editing import NO_INPUTS, EditPlan, plan_edits
from tasks.media.edits.footage import AUDIO_RATE_HZ
from tasks.media.edits.inputs import Inputs
from tasks.media.timing import capped_rate

CANDIDATE_LONG_SIDE = 640
"""Poster candidates are judged, and looked at for faces, at no more than this many pixels."""
CANDIDATE_COUNT = 40
"""Frames that are judged for the poster, spread evenly; more cost time and find nothing better."""

_RESERVED_NAMES = frozenset({"audio", "video", "master", "manifest", "poster", "sprite", "thumbnails", "captions"})


@dataclass(frozen=True)
class PlannedRung:
    """A rung with its exact picture size."""

    spec: RenditionSpec
    width: int
    height: int


@dataclass(frozen=True)
class StillPlan:
    """Frames taken from the decode at an even distance."""

    width: int
    height: int
    step_frames: int
    rung_index: int
    """The rung they are scaled from: the smallest that is large enough."""

    @property
    def frame_bytes(self) -> int:
        """Size of one frame in BGR, 8 bits a channel."""
        return self.width * self.height * 3


@dataclass(frozen=True)
class EncodePlan:
    """What one ffmpeg process is to make of one source."""

    frame_rate: Fraction
    frame_count: int
    """Frames that the source promises; the encode is held against it."""
    rungs: tuple[PlannedRung, ...]
    """Highest first."""
    tiles: StillPlan
    candidates: StillPlan
    segment_seconds: float
    has_sound: bool
    edits: EditPlan | None = None
    """What is done before the ladder; ``None``: nothing."""

    @property
    def duration_seconds(self) -> float:
        """Exact time of the promised frames."""
        return float(self.frame_count / self.frame_rate)

    @property
    def working_size(self) -> tuple[int, int]:
        """Width and height of the pictures that are edited: as few as the ladder needs, where no edit counts pixels."""
        top = (self.rungs[0].width, self.rungs[0].height)
        if self.edits is None:
            return top
        return self.edits.source.size if self.edits.changes_geometry else rotate.turned(self.edits.options.rotate, top)

    @property
    def keyframe_frames(self) -> int:
        """Most frames between two keyframes: one segment, which never cuts a forced keyframe short."""
        return max(1, math.ceil(self.segment_seconds * self.frame_rate))

    @property
    def sample_count(self) -> int:
        """Sound samples at 48 kHz that last as long as the picture."""
        return max(1, round(self.frame_count / self.frame_rate * AUDIO_RATE_HZ))


def plan_encode(facts: SourceFacts, recipe: Recipe, inputs: Inputs = NO_INPUTS) -> EncodePlan:
    """Return what to make of a source.

    Args:
        facts: What probing found in it.
        recipe: What to make.
        inputs: Everything else that the recipe's edits name.

    Raises:
        EditImpossibleError: An edit does not fit this source.
        RecipeInvalidError: Two rungs have one name, or a rung is named like another file of the package.
    """
    most = recipe.video.max_frame_rate
    edits = None if recipe.edit.is_empty else plan_edits(recipe.edit.effective, facts, inputs, most)
    if edits is None:
        has_sound = facts.audio is not None
        size, rate = (facts.video.width, facts.video.height), capped_rate(facts.video.frame_rate, most)
        frames = max(1, round(facts.duration_seconds * rate))
    else:
        whole = edits.whole
        size, rate, frames, has_sound = whole.size, whole.frame_rate, whole.frame_count, whole.has_sound
    rungs = _planned_rungs(size, recipe)
    tile_width, tile_height = fitted_size(*size, recipe.thumbnails.width)
    still_width, still_height = fitted_size(*size, CANDIDATE_LONG_SIDE)
    tile_step = max(
        1,
        round(recipe.thumbnails.min_interval_seconds * rate),
        math.ceil(frames / recipe.thumbnails.max_count),
    )
    return EncodePlan(
        frame_rate=rate,
        frame_count=frames,
        rungs=rungs,
        tiles=StillPlan(tile_width, tile_height, tile_step, _nearest_rung(rungs, tile_width)),
        candidates=StillPlan(
            still_width, still_height, math.ceil(frames / CANDIDATE_COUNT), _nearest_rung(rungs, still_width)
        ),
        segment_seconds=recipe.video.segment_seconds,
        has_sound=has_sound,
        edits=edits,
    )


def rung_threads(rungs: Sequence[PlannedRung], threads: int) -> tuple[int, ...]:
    """Return how many threads the encoder of each rung gets when the whole encode may keep so many busy.

    All rungs are encoded at the same time, so each gets its share by pixels: x264's own one and a half threads a core,
    since they wait for each other, but never more than all. The small rungs need but one.
    """
    pixels = sum(rung.width * rung.height for rung in rungs)
    shares = (1.5 * threads * rung.width * rung.height / pixels for rung in rungs)
    return tuple(min(threads, math.ceil(share)) for share in shares)


def fitted_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Return (width, height) with the longer side at most ``long_side`` pixels, same shape, never larger."""
    scale = min(1.0, long_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _planned_rungs(size: tuple[int, int], recipe: Recipe) -> tuple[PlannedRung, ...]:
    specs = recipe.video.ladder.fitted_to(min(size)).rungs
    names = [spec.name for spec in specs]
    wrong = sorted({name for name in names if names.count(name) > 1 or name in _RESERVED_NAMES})
    if wrong:
        raise RecipeInvalidError(
            f"Rungs need names of their own, not those of other files of a package: {', '.join(wrong)}.",
            {"names": wrong},
        )
    return tuple(PlannedRung(spec, *spec.dimensions(*size)) for spec in specs)


def _nearest_rung(rungs: tuple[PlannedRung, ...], width: int) -> int:
    """Index of the lowest rung that still has that width; the highest when none has."""
    return max((index for index, rung in enumerate(rungs) if rung.width >= width), default=0)
