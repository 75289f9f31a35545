"""The scrubbing sprite: one JPEG of tiles and the WebVTT that maps times to them."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np

from data.domain.publications import SpriteSheet
from tasks.media.frames import Picture, write_jpeg
from tasks.media.plan import StillPlan

IMAGE_NAME = "sprite.jpg"
VTT_NAME = "thumbnails.vtt"
_MOST_COLUMNS = 10


def write_sprite(
    tiles: Picture, plan: StillPlan, frame_rate: Fraction, duration_seconds: float, directory: Path
) -> SpriteSheet:
    """Write ``sprite.jpg`` and ``thumbnails.vtt``.

    Args:
        tiles: Count × height × width × 3, BGR, in order of time; at least one.
        plan: How far apart the tiles were taken.
        frame_rate: Frames a second of the encode.
        duration_seconds: Where the last tile's time ends.
        directory: Where both files go.
    """
    interval = float(plan.step_frames / frame_rate)
    sheet = SpriteSheet(
        image_path=IMAGE_NAME,
        vtt_path=VTT_NAME,
        tile_width=plan.width,
        tile_height=plan.height,
        columns=min(_MOST_COLUMNS, len(tiles)),
        count=len(tiles),
        interval_seconds=interval,
    )
    write_jpeg(tiled(tiles, sheet.columns), directory / IMAGE_NAME)
    (directory / VTT_NAME).write_text(sprite_vtt(sheet, duration_seconds), encoding="utf-8")
    return sheet


def tiled(tiles: Picture, columns: int) -> Picture:
    """Lay tiles out in rows, from the left; places that stay empty are black."""
    count, height, width, channels = tiles.shape
    rows = math.ceil(count / columns)
    grid = np.zeros((rows * columns, height, width, channels), dtype=np.uint8)
    grid[:count] = tiles
    laid = grid.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return laid.reshape(rows * height, columns * width, channels)


def sprite_vtt(sheet: SpriteSheet, duration_seconds: float) -> str:
    """Return the WebVTT of a sprite; its image is named relatively, so the folder can be served from anywhere."""
    cues = ["WEBVTT\n"]
    for index in range(sheet.count):
        start = index * sheet.interval_seconds
        is_last = index == sheet.count - 1
        end = max(duration_seconds, start + 0.001) if is_last else start + sheet.interval_seconds
        x = index % sheet.columns * sheet.tile_width
        y = index // sheet.columns * sheet.tile_height
        place = f"{sheet.image_path}#xywh={x},{y},{sheet.tile_width},{sheet.tile_height}"
        cues.append(f"{_clock(start)} --> {_clock(end)}\n{place}\n")
    return "\n".join(cues)


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
