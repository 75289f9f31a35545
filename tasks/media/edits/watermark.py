"""Watermark: a picture, or a text that was made into one, over every frame of the source's own part.

What is laid over the video is drawn once, at its final size and opacity, as a PNG; the encode only blends it in. So
tiles cost what one costs, and nothing is scaled for every frame.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import ffmpeg
import numpy as np
from PIL import Image

from data.domain.edits import Corner, WatermarkOptions
from tasks.media.edits.footage import Footage, Shape
from tasks.media.edits.inputs import Input, even

ROLE = "edit.watermark"
_TILE_GAP = 0.6
"""Distance of tiles from each other, as a share of their longer side."""


@dataclass(frozen=True)
class Place:
    """A rectangle in the picture, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Stamp:
    """A picture as large as it is shown, with its opacity, and where it lies."""

    path: Path
    place: Place


def outcome(options: WatermarkOptions, shape: Shape) -> Shape:
    """Return the shape as it is: a watermark changes none of it."""
    return shape


def applied(options: WatermarkOptions, footage: Footage, stamp: Stamp) -> Footage:
    """Lay a stamp over every frame."""
    drawn = (
        ffmpeg.input(str(stamp.path), format="png_pipe")["v"]
        .filter("scale", out_color_matrix="bt709", out_range="tv", flags="bicubic+accurate_rnd+full_chroma_int")
        .filter("format", "yuva420p")
    )
    # One picture is all that comes of a PNG: it is held until the video ends.
    picture = ffmpeg.filter(
        [footage.picture, drawn],
        "overlay",
        x=stamp.place.left,
        y=stamp.place.top,
        format="yuv420",
        alpha="straight",
        eof_action="repeat",
    )
    return Footage(footage.shape, picture, footage.sound)


def draw_stamp(options: WatermarkOptions, shape: Shape, given: Input, target: Path) -> Stamp:
    """Draw what is laid over a video of that shape.

    Args:
        options: What it is to look like.
        shape: Of the video.
        given: The picture, as ingest wrote it: a PNG with opacity.
        target: The file to write.
    """
    place = placed(options, shape.size, given.size or (1, 1))
    with Image.open(given.path, formats=["PNG"]) as picture:
        mark = picture.convert("RGBA").resize((place.width, place.height), Image.Resampling.LANCZOS)
    if options.tiled:
        mark, place = _tiles(mark, shape.size), Place(0, 0, *shape.size)
    _with_colour_everywhere(mark, options.opacity).save(target, format="PNG", compress_level=1)
    return Stamp(target, place)


def placed(options: WatermarkOptions, size: tuple[int, int], own_size: tuple[int, int]) -> Place:
    """Return where a picture of some size lies in a video of another, both in pixels; it never reaches over the margin.

    A watermark is as large as it is asked to be, also where its file has fewer pixels.
    """
    short = min(size)
    margin = round(options.margin * short)
    room = (max(2, size[0] - 2 * margin), max(2, size[1] - 2 * margin))
    wanted = options.share * short / own_size[1] if options.has_text else options.share * size[0] / own_size[0]
    scale = min(wanted, room[0] / own_size[0], room[1] / own_size[1])
    width, height = even(own_size[0] * scale), even(own_size[1] * scale)
    left, top = cornered(options.position, size, (width, height), margin)
    return Place(left, top, width, height)


def cornered(position: Corner, size: tuple[int, int], own_size: tuple[int, int], margin: int) -> tuple[int, int]:
    """Return the left and top edge of a rectangle that lies at a corner, an edge or in the middle; both even."""
    free_across, free_down = max(0, size[0] - own_size[0]), max(0, size[1] - own_size[1])
    left, top = free_across // 2, free_down // 2
    if position.endswith("left"):
        left = min(margin, free_across)
    elif position.endswith("right"):
        left = max(0, free_across - margin)
    if position.startswith("top"):
        top = min(margin, free_down)
    elif position.startswith("bottom"):
        top = max(0, free_down - margin)
    return left // 2 * 2, top // 2 * 2


def _tiles(mark: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a picture as large as the video that is covered with copies, every other row set off by half."""
    sheet = Image.new("RGBA", size)
    gap = round(_TILE_GAP * max(mark.size))
    across, down = mark.width + gap, mark.height + gap
    for row, top in enumerate(range(gap // 2, size[1], down)):
        for left in range(gap // 2 - (row % 2) * across // 2, size[0], across):
            cut = mark.crop((max(0, -left), 0, mark.width, mark.height))  # what would begin outside the sheet
            sheet.paste(cut, (max(0, left), top))
    return sheet


def _with_colour_everywhere(mark: Image.Image, opacity: float) -> Image.Image:
    """Return a picture with its opacity, and with its colours carried on where it is transparent.

    Four pixels share one colour in 4:2:0: an edge would take half of it from what nobody sees.
    """
    pixels = np.asarray(mark, dtype=np.float32)
    alpha = pixels[..., 3]
    weights = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 2.0), dtype=np.float32)
    spread = np.asarray(cv2.GaussianBlur(pixels[..., :3] * alpha[..., None], (0, 0), 2.0), dtype=np.float32)
    around = spread / np.maximum(weights, 1e-3)[..., None]
    colours = np.where(alpha[..., None] > 0, pixels[..., :3], around)
    drawn = np.dstack([colours, alpha * opacity])
    return Image.fromarray(np.clip(np.rint(drawn), 0, 255).astype(np.uint8), "RGBA")
