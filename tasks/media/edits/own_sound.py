"""What becomes of the sound of the source's own part: kept, or taken away."""

from dataclasses import replace

from data.domain.edits import OwnSoundOptions
from tasks.media.edits.footage import Footage, Shape


def outcome(options: OwnSoundOptions, shape: Shape) -> Shape:
    """Return the shape, without sound where that is muted."""
    return replace(shape, has_sound=False) if options.mode == "mute" else shape


def applied(options: OwnSoundOptions, footage: Footage) -> Footage:
    """Take the sound away, or leave it."""
    sound = None if options.mode == "mute" else footage.sound
    return replace(footage, shape=outcome(options, footage.shape), sound=sound)
