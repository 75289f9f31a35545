"""Keep a part of the source, to the frame: a seek to before it, and a cut that counts frames.

The seek goes to the keyframe at or before a whole frame's time, a little ahead of the part: what follows is on the same
grid of frames as the whole source would be, and a picture that a variable rate shows for long is there although it
began earlier. Containers without an index may lead to a later place than was asked for; that is what the lead is for.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from data.domain.edits import TrimOptions
from data.domain.errors import EditImpossibleError
from tasks.media.edits.footage import AUDIO_RATE_HZ, Footage, Shape

_LEAD_SECONDS = 0.5
_ROUNDING_FRAMES = 1
"""So far past the end an end may lie: durations are rounded."""


@dataclass(frozen=True)
class Part:
    """The frames of a source that are kept, counted at its working rate."""

    frame_rate: Fraction
    first_frame: int
    frame_count: int

    @property
    def lead_frames(self) -> int:
        """Frames that come before the part where the source was sought in."""
        return min(self.first_frame, round(_LEAD_SECONDS * self.frame_rate))

    @property
    def skipped_frames(self) -> int:
        """Frames before the place to be sought; 0: nothing is."""
        return self.first_frame - self.lead_frames


def part(options: TrimOptions, shape: Shape) -> Part:
    """Return which frames are kept.

    Raises:
        EditImpossibleError: It begins or ends after the end of the source.
    """
    lasts = shape.duration_seconds
    first = round(options.start_seconds * shape.frame_rate)
    last = shape.frame_count if options.end_seconds is None else round(options.end_seconds * shape.frame_rate)
    facts = {"start_seconds": options.start_seconds, "end_seconds": options.end_seconds, "duration_seconds": lasts}
    if first >= shape.frame_count:
        message = f"The trim begins at {options.start_seconds:g} s, but the source lasts {lasts:.3f} s."
        raise EditImpossibleError(message, facts)
    if last > shape.frame_count + _ROUNDING_FRAMES:
        message = f"The trim ends at {options.end_seconds:g} s, but the source lasts {lasts:.3f} s."
        raise EditImpossibleError(message, facts)
    return Part(shape.frame_rate, first, max(1, min(last, shape.frame_count) - first))


def outcome(options: TrimOptions, shape: Shape) -> Shape:
    """Return the shape of the part.

    Raises:
        EditImpossibleError: It begins or ends after the end of the source.
    """
    return replace(shape, frame_count=part(options, shape).frame_count)


def applied(options: TrimOptions, footage: Footage, skipped_frames: int = 0) -> Footage:
    """Cut out the part.

    Args:
        options: Which part.
        footage: Of the shape of the whole source.
        skipped_frames: How many frames of that it lacks at its beginning.
    """
    if not options.is_wanted:
        return footage
    shape, start = outcome(options, footage.shape), part(options, footage.shape).first_frame - skipped_frames
    picture = footage.picture.filter("trim", start_frame=start, end_frame=start + shape.frame_count)
    sound = footage.sound
    if sound is not None:
        first = round(start / shape.frame_rate * AUDIO_RATE_HZ)
        sound = sound.filter("atrim", start_sample=first, end_sample=first + shape.sample_count)
        sound = sound.filter("asetpts", "PTS-STARTPTS")
    return Footage(shape, picture.filter("setpts", "PTS-STARTPTS"), sound)
