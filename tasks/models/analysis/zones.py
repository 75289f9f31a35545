"""Zones and lines: who comes in, stays for how long, goes out, and crosses.

A thing is where it stands: at the middle of the lower edge of its box. That point trembles, so that it has to be
clearly in or out, by a share of the thing's height, before anything has happened.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import Box, Event, EventKind, Zone, ZoneSummary
from tasks.models.analysis.detections import Edges
from tasks.models.analysis.tracking import Tracked

_TREMBLING = 0.06
"""Of a thing's height."""
_UNITS = 1000.0
AT_THE_EDGE_SECONDS = 1.0
"""What is in a zone so soon after the video begins was there before; so soon before it ends, it stays."""

_Place = tuple[float, float]
_Standing = tuple[Tracked, _Place, float]
"""A track, where it stands, and within how much that point trembles."""


@dataclass(slots=True)
class _Visit:
    """A track that is in a zone."""

    since: float
    seen: Tracked
    seen_at: float
    frame: int
    is_told: bool = False
    """That it dwells."""

    @property
    def seconds(self) -> float:
        """How long it has been in."""
        return self.seen_at - self.since


@dataclass(slots=True)
class _Area:
    """A polygon or rectangle, and who is in it."""

    zone: Zone
    outline: NDArray[np.float32]
    visits: dict[int, _Visit] = field(default_factory=dict)
    dwell: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    entered: int = 0
    left: int = 0
    most: int = 0
    visit_seconds: float = 0.0
    visit_count: int = 0


@dataclass(slots=True)
class _Line:
    """A line, and on which side of it who was clearly seen last, where."""

    zone: Zone
    ends: tuple[_Place, _Place]
    sides: dict[int, tuple[int, _Place]] = field(default_factory=dict)
    forward: int = 0
    backward: int = 0


class ZoneWatch:
    """Tells what happens at zones and lines; lives as long as one analysis.

    Args:
        zones: What is watched.
        aspect: Height of the picture in widths.
    """

    def __init__(self, zones: Iterable[Zone], aspect: float) -> None:
        self._aspect = aspect
        self._areas: list[_Area] = []
        self._lines: list[_Line] = []
        for zone in zones:
            places = [self._scaled(point) for point in zone.points]
            if zone.kind == "line":
                self._lines.append(_Line(zone, (places[0], places[1])))
            else:
                self._areas.append(_Area(zone, np.array(_corners(zone.kind, places), np.float32)))

    def look(self, seen: Iterable[Tracked], frame: int, at_seconds: float) -> list[Event]:
        """Take the tracks of the next frame and return what has happened."""
        tracks = [self._standing(each) for each in seen]
        events = [event for area in self._areas for event in self._entries(area, tracks, frame, at_seconds)]
        return events + [event for line in self._lines for event in self._crossings(line, tracks, frame, at_seconds)]

    def gone(self, track: int) -> list[Event]:
        """Say that a track is not followed any more and return the zones that it was lost in."""
        for line in self._lines:
            line.sides.pop(track, None)
        return [_left(area, track) for area in self._areas if track in area.visits]

    def dwell_seconds(self, track: int) -> dict[str, float]:
        """Return how long a track, that is gone or seen for the last time, was in each zone; then forget it."""
        found: dict[str, float] = {}
        for area in self._areas:
            seconds = area.dwell.pop(track, 0.0)
            if visit := area.visits.get(track):
                seconds += visit.seconds
            if seconds > 0:
                found[area.zone.name] = round(seconds, 3)
        return found

    def end(self, at_seconds: float) -> list[Event]:
        """End the video; who has not been seen for a while has left, and the others stay."""
        return [
            _left(area, track)
            for area in self._areas
            for track, visit in list(area.visits.items())
            if at_seconds - visit.seen_at > AT_THE_EDGE_SECONDS
        ]

    def summaries(self) -> tuple[ZoneSummary, ...]:
        """Return the counts so far."""
        found = [_summary_of(area) for area in self._areas] + [
            ZoneSummary(zone=line.zone.name, crossed_forward=line.forward, crossed_backward=line.backward)
            for line in self._lines
        ]
        return tuple(found)

    def _entries(self, area: _Area, seen: list[_Standing], frame: int, at_seconds: float) -> Iterable[Event]:
        for each, place, slack in seen:
            depth = cv2.pointPolygonTest(area.outline, place, True)
            visit = area.visits.get(each.track)
            if visit is None and depth > slack:
                area.visits[each.track] = _Visit(at_seconds, each, at_seconds, frame)
                if at_seconds >= AT_THE_EDGE_SECONDS:
                    area.entered += 1
                    yield _event(EventKind.ENTER, area.zone, each, frame, at_seconds)
            elif visit is not None:
                visit.seen, visit.seen_at, visit.frame = each, at_seconds, frame
                if depth < -slack:
                    yield _left(area, each.track)
                elif area.zone.dwell_seconds and not visit.is_told and visit.seconds >= area.zone.dwell_seconds:
                    visit.is_told = True
                    yield _event(EventKind.DWELL, area.zone, each, frame, at_seconds, round(visit.seconds, 3))
        area.most = max(area.most, len(area.visits))

    def _crossings(self, line: _Line, seen: list[_Standing], frame: int, at_seconds: float) -> Iterable[Event]:
        (x1, y1), (x2, y2) = line.ends
        length = float(np.hypot(x2 - x1, y2 - y1)) or 1.0
        for each, place, slack in seen:
            # Positive to the right, as seen from the first point to the second (the picture's y goes down).
            offset = ((x2 - x1) * (place[1] - y1) - (y2 - y1) * (place[0] - x1)) / length
            if abs(offset) <= slack:
                continue
            side = 1 if offset > 0 else -1
            before = line.sides.get(each.track)
            line.sides[each.track] = side, place
            if before is not None and before[0] != side and _meet(before[1], place, line.ends):
                line.forward += side == 1
                line.backward += side == -1
                yield _event(EventKind.CROSS, line.zone, each, frame, at_seconds, float(side))

    def _scaled(self, point: _Place) -> _Place:
        return point[0] * _UNITS, point[1] * _UNITS * self._aspect

    def _standing(self, each: Tracked) -> _Standing:
        left, top, right, bottom = each.box
        return each, self._scaled(((left + right) / 2, bottom)), _TREMBLING * (bottom - top) * _UNITS * self._aspect


def _corners(kind: str, places: list[_Place]) -> list[_Place]:
    if kind != "rectangle":
        return places
    (x1, y1), (x2, y2) = places
    return [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]


def _summary_of(area: _Area) -> ZoneSummary:
    staying = [visit.seconds for visit in area.visits.values()]
    count = area.visit_count + len(staying)
    return ZoneSummary(
        zone=area.zone.name,
        entered=area.entered,
        left=area.left,
        most_at_once=area.most,
        mean_dwell_seconds=round((area.visit_seconds + sum(staying)) / count, 3) if count else None,
    )


def _left(area: _Area, track: int) -> Event:
    visit = area.visits.pop(track)
    area.left += 1
    area.visit_seconds += visit.seconds
    area.visit_count += 1
    area.dwell[track] += visit.seconds
    return _event(EventKind.LEAVE, area.zone, visit.seen, visit.frame, visit.seen_at, round(visit.seconds, 3))


def _meet(start: _Place, end: _Place, line: tuple[_Place, _Place]) -> bool:
    """Say whether the way from one point to another, which lie on both sides of a line's course, meets the line."""
    (x1, y1), (x2, y2) = line

    def side(x: float, y: float) -> float:
        return (end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0])

    return side(x1, y1) * side(x2, y2) <= 0


def _event(
    kind: EventKind, zone: Zone, each: Tracked, frame: int, at_seconds: float, value: float | None = None
) -> Event:
    return Event(
        kind=kind,
        at_seconds=round(at_seconds, 3),
        frame=frame,
        track=each.track,
        zone=zone.name,
        label=each.label,
        box=box_of(each.box),
        confidence=round(each.confidence, 3),
        value=value,
    )


def box_of(edges: Edges) -> Box:
    """Return a box by its edges."""
    left, top, right, bottom = edges
    return Box(left=round(left, 4), top=round(top, 4), width=round(right - left, 4), height=round(bottom - top, 4))
