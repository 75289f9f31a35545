"""Where a long encode is cut, so that its pieces can be made each for itself and joined by copying; pure.

A chunk is a run of whole segments of the *output*: it begins with the frame that begins a segment, ends before the one
that begins another, and the last one takes whatever the source still gives. Frames are counted at the output's
constant rate, on the clock of the whole source: a chunk seeks to a keyframe well ahead of its first frame and keeps the
source's own times (``-copyts``), so its frames are picked by the very arithmetic of an encode in one piece, be the
source's rate variable or its groups of pictures open. The sound is one piece, whatever its length: AAC has no joints.

::

    source   ──K────────K────────K────────K────────K──    keyframes wherever its maker put them
    chunk 0  [0 ···················· 250)+8
    chunk 1              ~~~~~~~~~~~~[250 ················ 500)+8
    chunk 2                                  ~~~~~~~~~~~~~~[500 ··· end

Each chunk but the last decodes a few frames more than it encodes; their digests must be those of the next one's first
frames (:func:`why_untrue_joint`). That is the proof that a seek led to where decoding from before would have come.
Where it fails (a broken index, pictures that refer to what lies before a keyframe), the source is encoded in one piece.

What rate control knows ends at a joint: each chunk begins with its buffer nearly full, so that over the two seconds
around a joint a rung may take more than its cap, at most by one buffer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from data.domain.assets import SourceFacts
from data.domain.recipes import Recipe
from tasks.media.codecs import Encoder
from tasks.media.edits.editing import is_seekable
from tasks.media.plan import EncodePlan

OVERLAP_FRAMES = 8
"""So many frames of the next chunk are decoded, to be compared with what that one begins with."""
_LEAD_SECONDS = 1.0
"""So far ahead of its first frame a chunk seeks, to the keyframe before: an index may lead to a late one."""
_ROUNDING_SECONDS = 1e-6
SOUND = "sound"


@dataclass(frozen=True)
class Chunk:
    """A part of the frames of one encode."""

    first_frame: int
    frame_count: int | None
    """``None``: all that the source still gives."""
    expected_frames: int
    """As many as that, if the source keeps its promise."""
    frame_rate: Fraction
    segment_seconds: float
    first_segment: int

    @property
    def name(self) -> str:
        """What it is called, beside the other pieces of one encode."""
        end = "end" if self.frame_count is None else f"{self.first_frame + self.frame_count:08d}"
        return f"{self.first_frame:08d}-{end}"

    @property
    def begins_at_seconds(self) -> float:
        """When its first frame is shown."""
        return float(self.first_frame / self.frame_rate)

    @property
    def expected_seconds(self) -> float:
        """How long it lasts, if the source keeps its promise."""
        return float(self.expected_frames / self.frame_rate)

    @property
    def sought_seconds(self) -> float:
        """Where reading begins, by the clock of the first picture; 0: nothing is sought."""
        return max(0.0, self.begins_at_seconds - _LEAD_SECONDS)

    @property
    def read_frames(self) -> tuple[int, int | None]:
        """The first frame that is looked at, and the one behind the last; ``None``: all there are."""
        end = None if self.frame_count is None else self.first_frame + self.frame_count + OVERLAP_FRAMES
        return self.first_frame, end

    @property
    def keyframe_times(self) -> str:
        """Where keyframes are forced, by its own clock: at the beginnings of the whole's segments."""
        ahead = self.begins_at_seconds - self.first_segment * self.segment_seconds + _ROUNDING_SECONDS
        return f"expr:gte(t+{ahead:.9f},n_forced*{self.segment_seconds:g})"


@dataclass(frozen=True)
class Piece:
    """A part of an encode that is made for itself: a chunk of the picture, or the whole sound."""

    name: str
    expected_seconds: float
    chunk: Chunk | None
    """``None``: the sound."""


def why_whole(facts: SourceFacts, recipe: Recipe, plan: EncodePlan, encoder: Encoder) -> str:
    """Say why a source is encoded in one piece, however long it is; empty where it need not be."""
    found = {
        "the recipe edits it": plan.edits is not None,
        "its pictures may be copied": recipe.wants_copy,
        "its quality is sought by trials": recipe.video.target_vmaf is not None,
        f"{encoder.name} is this machine's own encoder": encoder.is_hardware,
        "its file has no index of keyframes": not is_seekable(facts),
    }
    return next((reason for reason, is_so in found.items() if is_so), "")


def planned_pieces(plan: EncodePlan, chunk_seconds: float) -> tuple[Piece, ...]:
    """Return the pieces of an encode, the sound first; none where it is shorter than two chunks.

    Args:
        plan: Of the whole.
        chunk_seconds: Least length of a chunk, up to a segment; 0: there are none.
    """
    chunks = planned_chunks(plan, chunk_seconds)
    if not chunks:
        return ()
    sound = (Piece(SOUND, plan.duration_seconds, None),) if plan.has_sound else ()
    return (*sound, *(Piece(chunk.name, chunk.expected_seconds, chunk) for chunk in chunks))


def planned_chunks(plan: EncodePlan, chunk_seconds: float) -> tuple[Chunk, ...]:
    """Return chunks of about the same length that follow each other; none where there would be but one."""
    count = int(plan.duration_seconds / chunk_seconds) if chunk_seconds > 0 else 0
    segment = Fraction(plan.segment_seconds).limit_denominator(1000)
    segments = int(plan.frame_count / plan.frame_rate / segment)  # those that are whole: a rest stays with the last
    if count < 2 or segments < count:
        return ()
    step = math.ceil(segments / count)
    starts = [math.ceil(first * segment * plan.frame_rate) for first in range(0, segments, step)]
    ends = [*starts[1:], None]
    return tuple(
        Chunk(
            first_frame=start,
            frame_count=None if end is None else end - start,
            expected_frames=(plan.frame_count if end is None else end) - start,
            frame_rate=plan.frame_rate,
            segment_seconds=plan.segment_seconds,
            first_segment=index * step,
        )
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    )


def why_untrue_joint(beyond: Sequence[str], opening: Sequence[str], at_seconds: float) -> str:
    """Say why what a chunk begins with is not what the one before it saw coming; empty where it is.

    Args:
        beyond: Digests of the frames that the one before decoded behind its end.
        opening: Digests of the first frames of the other; one of both may have fewer, where the source ends.
        at_seconds: Where the joint is.
    """
    common = min(len(beyond), len(opening))
    if common and list(beyond[:common]) == list(opening[:common]):
        return ""
    return f"decoding cannot begin in the middle of it, at {at_seconds:.3f} s"


def black_seconds(chunks: Sequence[tuple[Chunk, Sequence[tuple[float, float]]]], least_seconds: float) -> float:
    """Return how much black there is, in spells of at least so many seconds.

    Args:
        chunks: Each with its spells of black, however short, by its own clock; in order.
        least_seconds: Shorter spells do not count; one may go on across joints.
    """
    spells: list[tuple[float, float]] = []
    for chunk, found in chunks:
        near = 1.5 / float(chunk.frame_rate)  # at the end of a stream a spell ends with the beginning of its last frame
        for start, end in found:
            start, end = start + chunk.begins_at_seconds, end + chunk.begins_at_seconds
            goes_on = spells and start - chunk.begins_at_seconds < near / 3 and start - spells[-1][1] < near
            spells[-1:] = [(spells[-1][0], end)] if goes_on else [*spells[-1:], (start, end)]
    return sum(end - start for start, end in spells if end - start >= least_seconds)
