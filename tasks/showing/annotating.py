"""Draw what was found over the frames of a video: boxes with their tracks, trails that fade, zones, counts, the time.

Pure; frames come in order.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import Event, EventKind, Zone
from tasks.media.frames import Picture
from tasks.models.analysis.sink import TrackRow
from tasks.showing.lettering import (
    INK,
    PAPER,
    SOFT,
    Colour,
    draw_pill,
    draw_text,
    ink_on,
    lay,
    pill_size,
    rounded_mask,
    text_mask,
)
from tasks.showing.positions import Positions
from tasks.showing.sentences import clock

PALETTE: tuple[Colour, ...] = (
    (92, 180, 255),
    (160, 214, 6),
    (247, 195, 79),
    (138, 97, 255),
    (88, 229, 255),
    (230, 140, 214),
    (122, 219, 150),
    (110, 140, 255),
    (240, 222, 130),
    (190, 170, 255),
)
"""Of tracks, by their numbers: bright enough for dark ink on them, and told apart on grey streets and green grass."""
ZONE_COLOUR: Colour = (255, 190, 110)
LINE_COLOUR: Colour = (240, 222, 130)
BUSY_COLOUR: Colour = (80, 170, 255)
_ALARM: Colour = (60, 60, 235)
_TRAIL_SECONDS = 2.5
_TOLD_SECONDS = 2.5
_MOST_TOLD = 3
_ZONE_OPACITY, _BUSY_OPACITY = 0.10, 0.22

_Plate = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""


@dataclass
class _ZoneCount:
    """What has happened at a zone or a line so far."""

    inside: int = 0
    """Tracks that stand in it in this frame; those that were there from the first are never told to enter."""
    entered: int = 0
    left: int = 0
    forward: int = 0
    backward: int = 0

    def take(self, event: Event) -> None:
        """Count an event."""
        if event.kind is EventKind.ENTER:
            self.entered += 1
        elif event.kind is EventKind.LEAVE:
            self.left += 1
        elif event.kind is EventKind.CROSS:
            self.forward += (event.value or 0) > 0
            self.backward += (event.value or 0) < 0

    def line(self, zone: Zone) -> str:
        """Say it in a few signs."""
        if zone.kind == "line":
            return f"{zone.name} · {self.forward} → · {self.backward} ←"
        return f"{zone.name} · {self.inside} inside · {self.entered} in · {self.left} out"


@dataclass(frozen=True)
class Scene:
    """What is known of a video before its first frame is drawn."""

    size: tuple[int, int]
    """Width and height in pixels at which it is drawn."""
    frame_rate: Fraction
    zones: Sequence[Zone]
    events: Iterable[Event]
    """By time."""
    detector: str
    is_simulated: bool = False


class Annotator:
    """Draws on the frames of one video, in order; lives as long as the video is written.

    Args:
        scene: What is known before the first frame.
        positions: Where tracks are.
    """

    def __init__(self, scene: Scene, positions: Positions) -> None:
        self._scene = scene
        self._positions = positions
        self._letters = max(11, round(min(scene.size) / 34))
        self._stroke = max(1, round(min(scene.size) / 360))
        self._zones = [(zone, _outline(zone, scene.size)) for zone in scene.zones]
        self._counts = {zone.name: _ZoneCount() for zone in scene.zones}
        self._events = iter(scene.events)
        self._next = next(self._events, None)
        self._told: deque[tuple[float, str, Colour]] = deque(maxlen=_MOST_TOLD)
        self._trails: dict[int, deque[tuple[float, int, int]]] = {}
        self._seen: set[int] = set()

    def draw(self, number: int, picture: Picture) -> Picture:
        """Draw on a frame, in place, and return it."""
        at_seconds = float(number / self._scene.frame_rate)
        rows = self._positions.at(number)
        self._take_events(number, at_seconds)
        self._follow(rows, at_seconds)
        for zone, outline in self._zones:
            self._counts[zone.name].inside = sum(self._stands_in(row, outline) for row in rows)
            self._draw_zone(picture, zone, outline)
        for track, trail in self._trails.items():
            self._draw_trail(picture, trail, _colour(track), at_seconds)
        for zone, outline in self._zones:
            self._label_zone(picture, zone, outline)
        plates: list[_Plate] = []
        for row in rows:
            self._draw_box(picture, row, plates)
        foot = self._draw_panel(picture, at_seconds, len(rows))
        self._draw_told(picture, at_seconds, foot)
        return picture

    # --- what has happened ---

    def _take_events(self, number: int, at_seconds: float) -> None:
        while (event := self._next) is not None and event.frame <= number:
            self._next = next(self._events, None)
            if event.zone in self._counts:
                self._counts[event.zone].take(event)
            if words := _words(event):
                colour = _colour(event.track) if event.track is not None else PAPER
                self._told.append((at_seconds, words, colour))

    def _stands_in(self, row: TrackRow, outline: NDArray[np.int32]) -> bool:
        """Say whether a track stands in a zone: the middle of its lower edge does."""
        width, height = self._scene.size
        foot = ((row.left + row.width / 2) * width, (row.top + row.height) * height)
        return cv2.pointPolygonTest(outline, foot, False) >= 0

    def _follow(self, rows: Iterable[TrackRow], at_seconds: float) -> None:
        width, height = self._scene.size
        for row in rows:
            self._seen.add(row.track)
            foot = (round((row.left + row.width / 2) * width), round((row.top + row.height) * height))
            self._trails.setdefault(row.track, deque()).append((at_seconds, *foot))
        for track in list(self._trails):
            trail = self._trails[track]
            while trail and at_seconds - trail[0][0] > _TRAIL_SECONDS:
                trail.popleft()
            if not trail:
                del self._trails[track]

    # --- drawing ---

    def _draw_zone(self, picture: Picture, zone: Zone, outline: NDArray[np.int32]) -> None:
        if zone.kind == "line":
            _draw_line(picture, outline, LINE_COLOUR, self._stroke)
            return
        is_busy = self._counts[zone.name].inside > 0
        colour = BUSY_COLOUR if is_busy else ZONE_COLOUR
        left, top, width, height = cv2.boundingRect(outline)
        patch = picture[max(0, top) : top + height, max(0, left) : left + width]
        mask = np.zeros(patch.shape[:2], np.uint8)
        cv2.fillPoly(mask, [outline - (max(0, left), max(0, top))], 255, cv2.LINE_AA)
        lay(picture, mask, (max(0, left), max(0, top)), colour, _BUSY_OPACITY if is_busy else _ZONE_OPACITY)
        cv2.polylines(picture, [outline], True, INK, self._stroke + 2, cv2.LINE_AA)
        cv2.polylines(picture, [outline], True, colour, self._stroke, cv2.LINE_AA)

    def _label_zone(self, picture: Picture, zone: Zone, outline: NDArray[np.int32]) -> None:
        gap = self._letters // 2
        if zone.kind == "line":
            left, top = (int(each) + 3 * gap for each in outline.mean(axis=0))
        else:  # at the foot, where it covers ground rather than heads
            foot = int(outline[:, 1].max())
            left = int(outline[outline[:, 1] >= foot - 3 * gap, 0].min())
            top = foot - text_mask("", self._letters).shape[0] - 2 * gap
        count = self._counts[zone.name]
        colour = LINE_COLOUR if zone.kind == "line" else BUSY_COLOUR if count.inside else ZONE_COLOUR
        at = (left + gap, top)
        draw_pill(picture, count.line(zone), at, self._letters, INK, colour, opacity=0.72)

    def _draw_trail(
        self, picture: Picture, trail: Sequence[tuple[float, int, int]], colour: Colour, at_seconds: float
    ) -> None:
        if len(trail) < 2:
            return
        points = np.array([point[1:] for point in trail], np.int32)
        reach = self._stroke * 2 + 2
        left, top = (int(each) for each in np.maximum(points.min(axis=0) - reach, 0))
        right, bottom = (int(each) for each in points.max(axis=0) + reach)
        mask = np.zeros((max(1, bottom - top), max(1, right - left)), np.uint8)
        points -= (left, top)
        for index in range(1, len(points)):
            age = (at_seconds - trail[index][0]) / _TRAIL_SECONDS
            start, end = (tuple(map(int, points[each])) for each in (index - 1, index))
            cv2.line(mask, start, end, int(235 * (1 - age)), self._stroke + 1, cv2.LINE_AA)
        lay(picture, mask, (left, top), colour)

    def _draw_box(self, picture: Picture, row: TrackRow, plates: list[_Plate]) -> None:
        """Draw a box, and its plate where none of the others drawn so far is: above it, below it, or inside."""
        width, height = self._scene.size
        left, top = round(row.left * width), round(row.top * height)
        right, bottom = round((row.left + row.width) * width), round((row.top + row.height) * height)
        colour = _colour(row.track)
        cv2.rectangle(picture, (left, top), (right, bottom), INK, self._stroke + 2, cv2.LINE_AA)
        cv2.rectangle(picture, (left, top), (right, bottom), colour, self._stroke, cv2.LINE_AA)
        text = f"{row.track} · {row.label}"
        plate_width, plate_height = pill_size(text, self._letters)
        tops = (top - plate_height - self._stroke, bottom + self._stroke, top + self._stroke)
        inside = [each for each in tops if 0 <= each <= height - plate_height] or [0]
        places = [(left, each, left + plate_width, each + plate_height) for each in inside]
        place = next((each for each in places if not any(_overlap(each, other) for other in plates)), places[0])
        plates.append(place)
        draw_pill(picture, text, place[:2], self._letters, colour, ink_on(colour))

    def _draw_panel(self, picture: Picture, at_seconds: float, count: int) -> int:
        """Say what is so now: time, tracks, and what looked; return where the panel ends, in pixels from above."""
        size, pad = self._letters, self._letters * 2 // 3
        time = text_mask(clock(at_seconds), round(size * 1.5), strong=True)
        facts = f"{count} in sight · {len(self._seen)} so far"
        detail = text_mask(self._scene.detector, round(size * 0.85))
        width = max(time.shape[1], text_mask(facts, size).shape[1], detail.shape[1]) + 2 * pad
        height = time.shape[0] + text_mask(facts, size).shape[0] + detail.shape[0] + pad
        plate = rounded_mask((width + 15) // 16 * 16, height, size // 2)  # or it would tremble with each digit
        lay(picture, plate, (pad, pad), INK, 0.66)
        at = [2 * pad, pad + pad // 3]
        draw_text(picture, clock(at_seconds), (at[0], at[1]), round(size * 1.5), strong=True)
        at[1] += time.shape[0]
        draw_text(picture, facts, (at[0], at[1]), size)
        at[1] += text_mask(facts, size).shape[0]
        draw_text(picture, self._scene.detector, (at[0], at[1]), round(size * 0.85), SOFT)
        if self._scene.is_simulated:
            draw_pill(picture, "SIMULATED", (picture.shape[1], pad), round(size * 1.3), _ALARM, PAPER)
        return int(pad + height)

    def _draw_told(self, picture: Picture, at_seconds: float, top: int) -> None:
        """Say what has just happened, the latest first, below the panel: at the foot a player has its controls."""
        size, pad = self._letters, self._letters * 2 // 3
        top += size // 3
        for told_at, words, colour in reversed(self._told):
            left_share = 1 - (at_seconds - told_at) / _TOLD_SECONDS
            if left_share <= 0:
                continue
            mask = text_mask(words, size)
            opacity = min(1.0, left_share * 3)
            plate = rounded_mask(mask.shape[1] + 2 * pad, mask.shape[0] + 2, size // 3)
            lay(picture, plate, (pad, top), INK, 0.66 * opacity)
            lay(picture, mask, (2 * pad, top + 1), colour, opacity)
            top += mask.shape[0] + size // 3


def _outline(zone: Zone, size: tuple[int, int]) -> NDArray[np.int32]:
    """Return the corners of a zone, or the ends of a line, in pixels."""
    points = list(zone.points)
    if zone.kind == "rectangle":
        (x0, y0), (x1, y1) = points
        points = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    last = np.array(size) - 1
    outline: NDArray[np.int32] = np.rint(np.array(points) * last).astype(np.int32)
    return outline


def _draw_line(picture: Picture, ends: NDArray[np.int32], colour: Colour, stroke: int) -> None:
    """Draw a line, and across its middle an arrow that shows which way is forward: from its left to its right."""
    start, end = (tuple(map(int, each)) for each in ends)
    along = (ends[1] - ends[0]).astype(np.float64)
    length = float(np.hypot(*along)) or 1.0
    # Seen from the first point to the second, with y downwards, the right-hand side is at (-dy, dx).
    across = np.array([-along[1], along[0]]) / length * min(length / 3, 18 * stroke)
    middle = ends.mean(axis=0)
    tip = tuple(int(each) for each in np.rint(middle + across))
    for ink, width in ((INK, stroke + 3), (colour, stroke + 1)):
        cv2.line(picture, start, end, ink, width, cv2.LINE_AA)
        cv2.arrowedLine(
            picture, tuple(int(each) for each in np.rint(middle)), tip, ink, max(1, width - 1), cv2.LINE_AA, 0, 0.35
        )


def _words(event: Event) -> str:
    """Say an event that a viewer wants to be told of; empty for others."""
    match event.kind:
        case EventKind.ENTER:
            return f"{event.track} enters {event.zone}"
        case EventKind.LEAVE:
            return f"{event.track} leaves {event.zone}" + (f" after {event.value:.1f} s" if event.value else "")
        case EventKind.DWELL:
            return f"{event.track} stays in {event.zone}"
        case EventKind.CROSS:
            return f"{event.track} crosses {event.zone} {'→' if (event.value or 0) > 0 else '←'}"
        case EventKind.TEXT:
            return f"Text: {event.label[:48]}"
        case EventKind.FLICKER | EventKind.BLACK | EventKind.FREEZE | EventKind.BLUR | EventKind.SILENCE:
            return event.kind.value.capitalize()
        case _:
            return ""


def _overlap(one: _Plate, other: _Plate) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _colour(track: int | None) -> Colour:
    return PALETTE[(track or 0) % len(PALETTE)]
