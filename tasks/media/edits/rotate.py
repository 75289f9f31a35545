"""Turn the picture by quarters, then mirror it."""

from dataclasses import replace

from data.domain.edits import RotateOptions
from tasks.media.edits.footage import Footage, Shape

_TURNS = {
    0: (),
    90: (("transpose", "clock"),),
    180: (("hflip",), ("vflip",)),
    270: (("transpose", "cclock"),),
}
_FLIPS = {"none": (), "horizontal": (("hflip",),), "vertical": (("vflip",),)}


def turned(options: RotateOptions, size: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) of a picture of a size afterwards."""
    return (size[1], size[0]) if options.degrees in (90, 270) else size


def outcome(options: RotateOptions, shape: Shape) -> Shape:
    """Return the shape afterwards."""
    return replace(shape, size=turned(options, shape.size))


def applied(options: RotateOptions, footage: Footage) -> Footage:
    """Turn and mirror it."""
    picture = footage.picture
    for name, *arguments in (*_TURNS[options.degrees], *_FLIPS[options.flip]):
        picture = picture.filter(name, *arguments)
    return replace(footage, shape=outcome(options, footage.shape), picture=picture)
