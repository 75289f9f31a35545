"""Cut a rectangle out of the picture."""

from dataclasses import dataclass, replace

from data.domain.edits import CropOptions
from data.domain.errors import EditImpossibleError
from tasks.media.edits.footage import Footage, Shape

_SMALLEST = 16


@dataclass(frozen=True)
class Rectangle:
    """A part of a picture in pixels; all even, as 4:2:0 needs it."""

    left: int
    top: int
    width: int
    height: int


def rectangle(options: CropOptions, size: tuple[int, int]) -> Rectangle:
    """Return the rectangle in a picture of a size (pixels).

    Raises:
        EditImpossibleError: Hardly anything would be left.
    """
    left, top = _even(options.left * size[0]), _even(options.top * size[1])
    width = min(_even(options.width * size[0]), _even(size[0] - left, down=True))
    height = min(_even(options.height * size[1]), _even(size[1] - top, down=True))
    if width < min(_SMALLEST, size[0]) or height < min(_SMALLEST, size[1]):
        raise EditImpossibleError(
            f"The crop leaves {width}x{height} of {size[0]}x{size[1]} pixels; {_SMALLEST}x{_SMALLEST} are the fewest.",
            {"width": width, "height": height, "source_width": size[0], "source_height": size[1]},
        )
    return Rectangle(left, top, width, height)


def is_wanted(options: CropOptions) -> bool:
    """Say whether anything is cut off."""
    return options != CropOptions()


def outcome(options: CropOptions, shape: Shape) -> Shape:
    """Return the shape of the rectangle.

    Raises:
        EditImpossibleError: Hardly anything would be left.
    """
    if not is_wanted(options):
        return shape
    area = rectangle(options, shape.size)
    return replace(shape, size=(area.width, area.height))


def applied(options: CropOptions, footage: Footage) -> Footage:
    """Cut it out."""
    if not is_wanted(options):
        return footage
    area = rectangle(options, footage.shape.size)
    picture = footage.picture.filter("crop", area.width, area.height, area.left, area.top)
    return replace(footage, shape=outcome(options, footage.shape), picture=picture)


def _even(pixels: float, *, down: bool = False) -> int:
    return int(pixels) // 2 * 2 if down else round(pixels / 2) * 2
