"""Flashes that can cause seizures (WCAG 2.3.1, ITU-R BT.1702): more than three a second, over a quarter of the picture.

A flash is a pair of opposing changes of relative luminance by a tenth or more, of which the darker state is below 0.8.
The whole picture stands for the ten degrees of the visual field that the rule speaks of. Saturated red is not judged.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import Event, EventKind
from tasks.models.analysis.detections import CELLS, Look
from tasks.models.analysis.spells import Spell

LEAST_RATE = 10.0
"""Frames looked at a second, with fewer of which flashes cannot be told."""

_CHANGE = 0.1
_DARKER = 0.8
_NEVER = 2.0
"""No luminance is so far from another."""
_AREA = 0.25
_MOST_CHANGES = 6
"""In a second: three flashes; one more is too many."""
_WINDOW_SECONDS = 0.98
"""A second, less what rounding may add."""
_TOGETHER_SECONDS = 0.06
"""Cells that change within this change at once."""
_LINEAR = ((np.arange(256) / 255) ** 2.2).astype(np.float32)


class FlickerCheck:
    """Counts flashes; lives as long as one analysis."""

    def __init__(self) -> None:
        self._spell = Spell(EventKind.FLICKER, 0.0)
        shape = CELLS[0] * CELLS[1]
        self._down_by, self._up_by = np.full(shape, _CHANGE, np.float32), np.full(shape, _CHANGE, np.float32)
        """By how much less than at its brightest a cell has got darker, and the other way round; a cell that has gone
        one way can go the other only."""
        self._floor, self._ceiling = np.full(shape, -np.inf, np.float32), np.full(shape, np.inf, np.float32)
        """At which luminance it has."""
        self._changed_at = {1: np.full(shape, -np.inf), -1: np.full(shape, -np.inf)}
        self._latest = {1: -np.inf, -1: -np.inf}
        self._most = {1: 0, -1: 0}
        """So many cells have just changed, at most."""
        self._last = 0
        self._changes: deque[tuple[int, float]] = deque()
        """Frame and time of the picture's changes, of the last second."""
        self._since: tuple[int, float] | None = None

    def look(self, look: Look) -> list[Event]:
        """Take the next frame and return what is over."""
        frame, now = look.frame, look.at_seconds
        self._note(_LINEAR.take(look.cells.ravel()), now)
        if (direction := self._change(now)) not in (0, self._last):
            self._last = direction
            self._changes.append((frame, now))
        while self._changes and now - self._changes[0][1] > _WINDOW_SECONDS:
            self._changes.popleft()
        is_flashing = len(self._changes) > _MOST_CHANGES
        if is_flashing and self._since is None:
            self._since = self._changes[0]
            return self._spell.look(True, *self._since)  # it began with the first of them
        if not is_flashing:
            self._since = None
        return self._spell.look(is_flashing, frame, now)

    def end(self, at_seconds: float) -> list[Event]:
        """End the video and return what lasted to its end."""
        return self._spell.end(at_seconds)

    def _change(self, now: float) -> int:
        """Say whether the picture as a whole gets brighter (1) or darker (-1).

        Where as much gets darker as brighter, something patterned moves.
        """
        if max(self._most.values()) < _AREA * self._floor.size:
            return 0
        up, down = (self._changing(direction, now) for direction in (1, -1))
        if max(up, down) < _AREA or min(up, down) > max(up, down) / 2:
            return 0
        return 1 if up > down else -1

    def _changing(self, direction: int, now: float) -> float:
        """Return the share of the picture that has just changed."""
        if now - self._latest[direction] > _TOGETHER_SECONDS:
            return 0.0
        self._most[direction] = int(np.count_nonzero(self._changed_at[direction] >= now - _TOGETHER_SECONDS))
        return self._most[direction] / self._floor.size

    def _note(self, luminance: NDArray[np.float32], now: float) -> None:
        """Follow each cell from one extreme to the next."""
        np.maximum(self._floor, luminance - self._down_by, out=self._floor)
        np.minimum(self._ceiling, luminance + self._up_by, out=self._ceiling)
        is_down, is_up = luminance <= self._floor, luminance >= self._ceiling
        # Counting takes a fifth of the time of any().
        if np.count_nonzero(is_down):
            is_down &= luminance < _DARKER
            is_up &= ~is_down
            self._turn(is_down.nonzero()[0], -1, luminance, now)
        if np.count_nonzero(is_up):
            is_up &= self._ceiling - _CHANGE < _DARKER
            self._turn(is_up.nonzero()[0], 1, luminance, now)

    def _turn(self, cells: NDArray[np.intp], direction: int, luminance: NDArray[np.float32], now: float) -> None:
        """Note which cells have gone one way, and wait for them to go the other."""
        if not len(cells):
            return
        down_by, up_by = (_NEVER, _CHANGE) if direction == -1 else (_CHANGE, _NEVER)
        extremes = luminance[cells]
        self._down_by[cells], self._up_by[cells] = down_by, up_by
        self._floor[cells], self._ceiling[cells] = extremes - down_by, extremes + up_by
        self._changed_at[direction][cells] = now
        before = self._most[direction] if now - self._latest[direction] <= 2 * _TOGETHER_SECONDS else 0
        self._most[direction] = before + len(cells)
        self._latest[direction] = now
