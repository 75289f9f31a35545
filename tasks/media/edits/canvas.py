"""Fit the picture to another shape or size: with bars around it, or the middle of it; never enlarged."""

from dataclasses import dataclass, replace
from fractions import Fraction

from data.domain.edits import CanvasOptions
from tasks.media.edits.footage import Footage, Shape

_SAME_SHAPE = Fraction(1, 100)


@dataclass(frozen=True)
class Layout:
    """How a picture gets onto its canvas; pixels, all even."""

    window: tuple[int, int]
    """The middle of the picture that is seen."""
    picture: tuple[int, int]
    """Its size on the canvas."""
    canvas: tuple[int, int]


def layout(options: CanvasOptions, size: tuple[int, int]) -> Layout:
    """Return how a picture of a size (width, height in pixels) is fitted."""
    ratio = _ratio(options, size)
    is_wider = Fraction(*size) > ratio
    if abs(Fraction(*size) / ratio - 1) < _SAME_SHAPE:
        window = canvas = size
    elif (options.fit == "crop") == is_wider:
        # The height decides: of a wide picture that is cut, of a narrow one that gets bars left and right.
        canvas = (_even(size[1] * ratio), size[1])
        window = canvas if options.fit == "crop" else size
    else:
        canvas = (size[0], _even(size[0] / ratio))
        window = canvas if options.fit == "crop" else size
    scale = min(Fraction(1), Fraction(options.short_side or min(canvas), min(canvas)))
    return Layout(window, *(_scaled(each, scale) for each in (window, canvas)))


def outcome(options: CanvasOptions, shape: Shape) -> Shape:
    """Return the shape of the canvas."""
    return replace(shape, size=layout(options, shape.size).canvas)


def applied(options: CanvasOptions, footage: Footage) -> Footage:
    """Put the picture onto its canvas."""
    plan, picture = layout(options, footage.shape.size), footage.picture
    if plan.window != footage.shape.size:
        picture = picture.filter("crop", *plan.window, *_middle(footage.shape.size, plan.window))
    if plan.picture != plan.window:
        picture = picture.filter("scale", *plan.picture).filter("setsar", 1)
    if plan.canvas != plan.picture:
        place = _middle(plan.canvas, plan.picture)
        picture = picture.filter("pad", *plan.canvas, *place, color=f"0x{options.pad_rgb[1:]}")
    return replace(footage, shape=outcome(options, footage.shape), picture=picture)


def _ratio(options: CanvasOptions, size: tuple[int, int]) -> Fraction:
    if not options.aspect_ratio:
        return Fraction(*size)
    width, height = options.aspect_ratio.split(":")
    return Fraction(int(width), int(height))


def _middle(outer: tuple[int, int], inner: tuple[int, int]) -> tuple[int, int]:
    """Left and top of a rectangle in the middle of another; even, as 4:2:0 needs it."""
    return (outer[0] - inner[0]) // 4 * 2, (outer[1] - inner[1]) // 4 * 2


def _scaled(size: tuple[int, int], scale: Fraction) -> tuple[int, int]:
    return size if scale == 1 else (_even(size[0] * scale), _even(size[1] * scale))


def _even(pixels: Fraction) -> int:
    return max(2, round(pixels / 2) * 2)
