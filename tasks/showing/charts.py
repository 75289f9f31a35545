"""Charts of an analysis as PNG: what happened when, and where in the picture most went on.

Drawn with Pillow and OpenCV, which are loaded anyway: matplotlib would take longer to import than a chart to draw.
Twice the size at which the page shows them, in its colours.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from data.domain.analysis import Event, EventKind
from tasks.media.frames import Picture
from tasks.showing.lettering import FONT, INK, PAPER, draw_pill
from tasks.showing.recording import Course

_GROUND, _LINE, _SOFT, _TEXT = "#151516", "#29292C", "#A6A39D", "#F2F0EC"
_ACCENT = "#FFB45C"
_WIDTH = 1440
_LEFT, _RIGHT = 214, 40
_AREA, _LANE, _FOOT, _TOP = 170, 44, 58, 76
_COLOURS = {
    EventKind.APPEAR: "#5CC8FF",
    EventKind.VANISH: "#4A7F9E",
    EventKind.ENTER: "#06D6A0",
    EventKind.LEAVE: "#3B8F77",
    EventKind.DWELL: "#8FE3B0",
    EventKind.CROSS: "#FFE558",
    EventKind.TEXT: "#D68CE6",
    EventKind.SHOT: "#FFB45C",
}
_OTHER = "#FF6B5C"
"""Of what looks wrong."""
_LASTS = frozenset(EventKind) - set(_COLOURS)
"""Kinds whose value is how long it lasts, in seconds."""
_NICE_SECONDS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MOST_MARKS = 9
_HEAT_OPACITY = 0.78
_HEAT_WIDTH = 960


def events_chart(events: Iterable[Event], course: Course, title: str) -> Image.Image:
    """Return a chart of what happened over time: above how many tracks were in sight, below a lane for each kind.

    Args:
        events: Read twice, one at a time: there may be many.
        course: What went on over time.
        title: Of the chart.
    """
    counts = Counter(event.kind for event in events)
    kinds = [kind for kind in EventKind if counts[kind]]
    image = Image.new("RGB", (_WIDTH, _TOP + _AREA + 24 + _LANE * len(kinds) + _FOOT), _GROUND)
    draw = ImageDraw.Draw(image)
    foot = image.height - _FOOT
    draw.text((40, 22), title, fill=_TEXT, font=_font(30))
    _time_axis(draw, course.duration_seconds, foot)
    _in_sight(image, course, _TOP)
    lanes_at = _TOP + _AREA + 24
    lanes = {kind: lanes_at + index * _LANE for index, kind in enumerate(kinds)}
    for kind, top in lanes.items():
        _lane(draw, kind, counts[kind], top)
    for event in events:
        _sign(draw, event, course, lanes[event.kind])
    return image


def _x(at_seconds: float, duration_seconds: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(1.0, max(0.0, at_seconds / duration_seconds))


def _time_axis(draw: ImageDraw.ImageDraw, duration: float, foot: int) -> None:
    step = next((each for each in _NICE_SECONDS if duration / each <= _MOST_MARKS), duration / _MOST_MARKS)
    for index in range(math.floor(duration / step + 1e-9) + 1):
        x = _x(index * step, duration)
        draw.line((x, _TOP, x, foot), fill=_LINE, width=2)
        draw.text((x, foot + 12), _mark(index * step, step), fill=_SOFT, font=_font(22), anchor="ma")


def _mark(seconds: float, step: float) -> str:
    if step < 1:
        return f"{seconds:.1f}"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _in_sight(image: Image.Image, course: Course, top: int) -> None:
    """Draw the number of tracks as an area, and over it how much of the picture moves as a line."""
    draw = ImageDraw.Draw(image, "RGBA")
    most = max((count for _, count in course.tracks), default=0)
    high = max(1, most)
    foot = top + _AREA
    draw.text((40, top + 34), "in sight", fill=_ACCENT, font=_font(24))
    draw.text((40, top + 66), f"at most {most}", fill=_SOFT, font=_font(20))
    draw.text((40, top + 100), "motion", fill="#7FB8E6", font=_font(24))
    peak = max((share for _, share in course.motion), default=0.0)
    draw.text((40, top + 132), f"peak {peak:.0%}" if peak >= 0.1 else f"peak {peak:.1%}", fill=_SOFT, font=_font(20))
    tracks = [(_x(at, course.duration_seconds), foot - (_AREA - 12) * count / high) for at, count in course.tracks]
    if tracks:
        outline = [(tracks[0][0], foot), *_stepped(tracks), (tracks[-1][0], foot)]
        draw.polygon(outline, fill=(255, 180, 92, 70))
        draw.line(_stepped(tracks), fill=_ACCENT, width=3, joint="curve")
    motion = [
        (_x(at, course.duration_seconds), foot - (_AREA - 12) * share / max(peak, 1e-6)) for at, share in course.motion
    ]
    if len(motion) > 1 and peak > 0:
        draw.line(motion, fill=(127, 184, 230, 210), width=2, joint="curve")
    draw.line((_LEFT, foot, _WIDTH - _RIGHT, foot), fill=_LINE, width=2)


def _stepped(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of a line that goes up and down in steps, as numbers do."""
    corners = [points[0]]
    for (x, y), (_, before) in zip(points[1:], points, strict=False):
        corners += [(x, before), (x, y)]
    return corners


def _lane(draw: ImageDraw.ImageDraw, kind: EventKind, count: int, top: int) -> None:
    middle = top + _LANE / 2
    draw.line((_LEFT, middle, _WIDTH - _RIGHT, middle), fill=_LINE, width=2)
    draw.text((40, middle), kind.value, fill=_TEXT, font=_font(24), anchor="lm")
    draw.text((_LEFT - 18, middle), f"{count:,}", fill=_SOFT, font=_font(22), anchor="rm")


def _sign(draw: ImageDraw.ImageDraw, event: Event, course: Course, top: int) -> None:
    middle, x = top + _LANE / 2, _x(event.at_seconds, course.duration_seconds)
    lasts = event.value if event.kind in _LASTS and event.value else 0.0
    end = max(x + 5, _x(event.at_seconds + lasts, course.duration_seconds))
    draw.rounded_rectangle((x - 1, middle - 13, end, middle + 13), 3, fill=_COLOURS.get(event.kind, _OTHER))


def heat_map(picture: Picture, heat: NDArray[np.float32], title: str) -> Picture:
    """Return a picture with the places where tracks were laid over it: the longer, the hotter.

    Args:
        picture: A frame of the video (BGR).
        heat: Rows × columns over the picture, in seconds.
        title: Written into a corner.
    """
    height, width = picture.shape[:2]
    size = (_HEAT_WIDTH, round(height * _HEAT_WIDTH / width)) if width >= height else (width, height)
    ground = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.float32)
    grey = ground.mean(axis=2, keepdims=True)
    shown = (0.35 * ground + 0.65 * grey) * 0.72
    hottest = float(heat.max()) if heat.size else 0.0
    if hottest > 0:
        # The root, and the hottest few left out of the scale: where somebody passed is seen beside where one stood.
        share = np.sqrt(np.clip(heat / np.percentile(heat[heat > 0], 97), 0, 1)).astype(np.float32)
        share = np.clip(np.asarray(cv2.resize(share, size, interpolation=cv2.INTER_CUBIC)), 0, 1)
        share = np.asarray(cv2.GaussianBlur(share, (0, 0), size[0] / 110))
        colours = np.asarray(cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), np.float32)
        opacity = (np.clip(share * 3, 0, 1) * _HEAT_OPACITY)[..., None]
        shown = shown * (1 - opacity) + colours * opacity
    drawn = np.ascontiguousarray(np.clip(shown, 0, 255).astype(np.uint8))
    letters = max(14, min(size) // 26)
    draw_pill(drawn, title, (letters, letters), letters, INK, PAPER, opacity=0.7)
    scale = f"hottest: {hottest:.1f} s" if hottest > 0 else "nothing was followed"
    draw_pill(drawn, scale, (letters, size[1] - 3 * letters), letters, INK, PAPER, opacity=0.7)
    return drawn


def write_png(picture: Picture, target: Path) -> None:
    """Write a picture (BGR) as PNG."""
    _, data = cv2.imencode(".png", picture)
    target.write_bytes(data.tobytes())


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), size)
