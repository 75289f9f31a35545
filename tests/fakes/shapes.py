"""Shapes for tests of pure functions."""

from fractions import Fraction

from tasks.media.edits.footage import Shape


def shape_of(
    width: int = 640, height: int = 360, rate: str = "25", frame_count: int = 100, *, has_sound: bool = True
) -> Shape:
    """Return the shape of a small clip."""
    return Shape((width, height), Fraction(rate), frame_count, has_sound)
