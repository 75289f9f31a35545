"""Is a video one picture from beginning to end? Then whatever is wrong with it is what it is, and does not happen."""

from collections import defaultdict

import cv2

from data.domain.analysis import Event, EventKind
from tasks.models.analysis.plan import Picture

_MOVED = 12
_SETTLING_SECONDS = 0.2
"""The first pictures may be made of less than it takes: a deinterlacer has no field before them."""


class Stillness:
    """Keeps back what lasted while the picture is still the first one; lives as long as one analysis."""

    def __init__(self) -> None:
        self.kinds: tuple[EventKind, ...] = ()
        """What a still video is throughout; known at the end."""
        self._first: Picture | None = None
        self._is_still = True
        self._held: list[Event] = []

    def look(self, cells: Picture, at_seconds: float, events: list[Event]) -> list[Event]:
        """Take the next frame, as :attr:`Look.cells`, and what is over, and return what is to be told by now."""
        self._held += events
        if self._is_still:
            if self._first is None or at_seconds < _SETTLING_SECONDS:
                self._first = cells
            self._is_still = float(cv2.norm(self._first, cells, cv2.NORM_INF)) <= _MOVED
        return [] if self._is_still else self._told()

    def end(self, events: list[Event], at_seconds: float, *, is_frozen: bool) -> list[Event]:
        """End the video and return what is to be told.

        Args:
            events: What lasted to its end.
            at_seconds: The end.
            is_frozen: Whether every picture was the first one, pixel by pixel.
        """
        self._held += events
        lasted: defaultdict[EventKind, float] = defaultdict(float)
        for event in self._held:
            lasted[event.kind] += event.value or 0.0
        is_frozen = is_frozen or lasted[EventKind.FREEZE] >= at_seconds / 2
        # Without that it is a scene in which nothing moves, seen by a camera that does not rest.
        if not (self._is_still and is_frozen):
            return self._told()
        self.kinds = (EventKind.FREEZE, *(kind for kind, seconds in lasted.items() if seconds >= at_seconds / 2))
        return []

    def _told(self) -> list[Event]:
        told, self._held = self._held, []
        return told
