"""Fade picture and sound in from black and silence, and out to them."""

from dataclasses import replace

from data.domain.edits import FadeOptions
from data.domain.errors import EditImpossibleError
from tasks.media.edits.footage import AUDIO_RATE_HZ, Footage, Shape


def outcome(options: FadeOptions, shape: Shape) -> Shape:
    """Return the shape, which stays as it is.

    Raises:
        EditImpossibleError: The fades together are longer than the video.
    """
    both, lasts = options.in_seconds + options.out_seconds, shape.duration_seconds
    if both > lasts:
        raise EditImpossibleError(
            f"Fades of {options.in_seconds:g} s and {options.out_seconds:g} s do not fit into {lasts:.3f} s.",
            {"in_seconds": options.in_seconds, "out_seconds": options.out_seconds, "duration_seconds": lasts},
        )
    return shape


def applied(options: FadeOptions, footage: Footage) -> Footage:
    """Fade at both ends."""
    shape, picture, sound = outcome(options, footage.shape), footage.picture, footage.sound
    for kind, seconds in (("in", options.in_seconds), ("out", options.out_seconds)):
        frames, samples = round(seconds * shape.frame_rate), round(seconds * AUDIO_RATE_HZ)
        if frames < 1:
            continue
        start_frame = 0 if kind == "in" else shape.frame_count - frames
        picture = picture.filter("fade", type=kind, start_frame=start_frame, nb_frames=frames)
        if sound is not None:
            start_sample = 0 if kind == "in" else shape.sample_count - samples
            sound = sound.filter("afade", type=kind, start_sample=start_sample, nb_samples=samples)
    return replace(footage, picture=picture, sound=sound)
