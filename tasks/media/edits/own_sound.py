"""Own sound: the sound of the source's own part is left out, replaced, or has another one mixed in."""

from dataclasses import replace
from typing import Any

import ffmpeg

from data.domain.assets import AudioFacts
from data.domain.edits import OwnSoundOptions
from tasks.media.edits.footage import AUDIO_RATE_HZ, Footage, Shape, lasting
from tasks.media.edits.inputs import Input, Inputs, opened

ROLE = "edit.sound.source"
_PEAK = 0.97
"""Where the limiter of a mix holds the samples, of 1; two sounds together may pass it."""


def outcome(options: OwnSoundOptions, shape: Shape) -> Shape:
    """Return the shape with sound where another one is heard, without where none is left."""
    has_sound = {"keep": shape.has_sound, "mute": False, "replace": True, "mix": True}[options.mode]
    return replace(shape, has_sound=has_sound)


def heard(options: OwnSoundOptions, own: AudioFacts | None, inputs: Inputs) -> AudioFacts | None:
    """Return the facts of the sound that is heard, or of the own one where both are; ``None`` where nothing is.

    Args:
        options: What becomes of the own sound.
        own: Facts of that, if there is any.
        inputs: Everything that edits name.
    """
    if options.mode == "mute":
        return None
    is_other = options.mode == "replace" or (options.mode == "mix" and own is None)
    return inputs[options.source].sound if is_other else own


def applied(options: OwnSoundOptions, footage: Footage, given: Input | None) -> Footage:
    """Change the sound.

    Args:
        options: How.
        footage: What there is.
        given: The other sound, for ``replace`` and ``mix``.
    """
    shape = outcome(options, footage.shape)
    if options.mode == "keep":
        return footage
    if options.mode == "mute" or given is None:
        return Footage(shape, footage.picture, None)
    other = _other(options, shape, given)
    if options.mode == "replace" or footage.sound is None:
        return Footage(shape, footage.picture, other)
    mixed = ffmpeg.filter([footage.sound, other], "amix", inputs=2, duration="first", normalize=0)
    # Without `level` it would make everything louder, without `latency` later.
    limited = mixed.filter("alimiter", limit=_PEAK, level=0, latency=1)
    return Footage(shape, footage.picture, lasting(limited, shape.sample_count))


def _other(options: OwnSoundOptions, shape: Shape, given: Input) -> Any:
    """Return the other sound: as loud as asked, and as long as the picture."""
    assert given.sound is not None, given.path
    # The file is read again, and not its samples kept: an hour of them would take more than a gigabyte.
    again = {"stream_loop": -1} if options.loop else {}
    sound = (
        opened(given, ROLE, **again)[str(given.sound.stream_index)]
        .filter("aresample", AUDIO_RATE_HZ, **{"async": 1, "first_pts": 0})
        .filter("aformat", sample_fmts="fltp", channel_layouts="stereo")
    )
    if options.volume_db:
        sound = sound.filter("volume", f"{options.volume_db:g}dB")
    return lasting(sound, shape.sample_count)
