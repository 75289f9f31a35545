"""What the operations hand on: the shape of a video, and the streams of a filter graph that has that shape.

Each operation is two pure functions: ``outcome(options, shape) -> Shape`` says what will come of it, or refuses with a
typed error that names the numbers, before anything is encoded; ``applied(options, footage, …) -> Footage`` adds its
filters. What ``applied`` returns has exactly the shape that ``outcome`` promised: a test of each holds it to that.

Sound never comes out of a filter that takes pictures too (``concat`` with both): how loud it will be is measured by a
graph of the sound alone, which must not have to decode a single picture.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

AUDIO_RATE_HZ = 48_000
"""Samples a second of all sound that is worked on and published."""


@dataclass(frozen=True)
class Shape:
    """Size, rate, length and sound of a video, known before anything is encoded."""

    size: tuple[int, int]
    """Width and height in square pixels."""
    frame_rate: Fraction
    """Frames a second; constant."""
    frame_count: int
    has_sound: bool

    @property
    def duration_seconds(self) -> float:
        """Time of all frames."""
        return float(self.frame_count / self.frame_rate)

    @property
    def sample_count(self) -> int:
        """Sound samples at 48 kHz that last as long as the picture."""
        return max(1, round(self.frame_count / self.frame_rate * AUDIO_RATE_HZ))


@dataclass(frozen=True)
class Footage:
    """Streams of a filter graph: what all operations so far have made."""

    shape: Shape
    picture: Any
    """Progressive, constant rate from 0 on, square pixels, SDR BT.709, ``yuv420p``."""
    sound: Any | None
    """48 kHz stereo ``fltp`` from 0 on, exactly as long as the picture; ``None`` where there is none."""


def lasting(sound: Any, sample_count: int) -> Any:
    """Return sound that lasts exactly so many samples: cut, or with silence at its end."""
    return sound.filter("apad", whole_len=sample_count).filter("atrim", end_sample=sample_count)
