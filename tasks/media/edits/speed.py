"""Play faster or slower; the sound keeps its pitch."""

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

from tasks.media.edits.footage import Footage, Shape, lasting
from tasks.media.timing import capped_rate

_FARTHEST = 2.0
"""``atempo`` blends up to this; beyond it skips."""


def working_rate(speed: float, rate: Fraction, most: float) -> Fraction:
    """Return the rate at which a source of a rate is worked on, so that slowing down shows every picture it has."""
    return capped_rate(rate, most / min(1.0, speed))


def outcome(speed: float, shape: Shape, most: float) -> Shape:
    """Return the shape at that speed and at no more than a rate of ``most`` frames a second."""
    rate = capped_rate(shape.frame_rate, most)
    lasts = shape.frame_count / shape.frame_rate / Fraction(speed).limit_denominator(1000)
    return replace(shape, frame_rate=rate, frame_count=max(1, round(lasts * rate)))


def applied(speed: float, footage: Footage, most: float) -> Footage:
    """Change the times of the pictures, and stretch the sound."""
    shape = outcome(speed, footage.shape, most)
    if speed == 1 and shape == footage.shape:
        return footage
    rate = footage.shape.frame_rate
    # Ticks of a thousandth of a frame, and at each time the picture that is shown then: rounded up, since it began
    # before. The last one is held, for the filter cannot know how long it lasts.
    picture = (
        footage.picture.filter("settb", f"{rate.denominator}/{rate.numerator * 1000}")
        .filter("setpts", f"PTS/{speed:g}")
        .filter("fps", fps=str(shape.frame_rate), start_time=0, round="up")
        .filter("tpad", stop_mode="clone", stop=math.ceil(1 / speed))
        .filter("trim", end_frame=shape.frame_count)
    )
    return Footage(shape, picture, _stretched(footage.sound, speed, shape.sample_count))


def _stretched(sound: Any | None, speed: float, sample_count: int) -> Any | None:
    if sound is None or speed == 1:
        return sound
    steps = max(1, math.ceil(abs(math.log(speed, _FARTHEST)) - 1e-9))
    for _ in range(steps):
        sound = sound.filter("atempo", f"{speed ** (1 / steps):.9f}")
    return lasting(sound, sample_count)
