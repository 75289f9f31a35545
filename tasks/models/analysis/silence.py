"""Silence in the sound of a video."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import Event, EventKind

SOUND_RATE_HZ = 48_000

_SILENT = 10 ** (-60 / 20)
_LEAST_SECONDS = 2.0
_WINDOW_SECONDS = 0.05


class SilenceCheck:
    """Tells where nothing is heard: two seconds or more in which no sample is louder than −60 dBFS.

    Args:
        frame_rate: Frames a second of the picture, by which events are numbered.
        rate_hz: Samples a second.
    """

    def __init__(self, frame_rate: float, rate_hz: int = SOUND_RATE_HZ) -> None:
        self._frame_rate, self._rate_hz = frame_rate, rate_hz
        self.is_throughout = False
        """Whether nothing is heard from beginning to end, which makes no event; known once all was heard."""

    def hear(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[Event]:
        """Take all of the sound: samples × channels, each from -1 to 1, in order; in blocks of any length."""
        since: int | None = 0
        position = 0
        for piece in _windows(blocks, round(_WINDOW_SECONDS * self._rate_hz)):
            if float(np.abs(piece).max()) > _SILENT:
                yield from self._silence(since, position)
                since = None
            elif since is None:
                since = position
            position += len(piece)
        self.is_throughout = since == 0 and position > 0
        if not self.is_throughout:
            yield from self._silence(since, position)

    def _silence(self, since: int | None, until: int) -> Iterator[Event]:
        if since is None or until - since < _LEAST_SECONDS * self._rate_hz:
            return
        start, seconds = since / self._rate_hz, round((until - since) / self._rate_hz, 3)
        frame = int(start * self._frame_rate + 1e-6)
        yield Event(kind=EventKind.SILENCE, at_seconds=round(start, 3), frame=frame, value=seconds)


def _windows(blocks: Iterable[NDArray[np.float32]], window: int) -> Iterator[NDArray[np.float32]]:
    for block in blocks:
        for start in range(0, len(block), window):
            yield block[start : start + window]
