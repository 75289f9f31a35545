"""Silence in the sound of a video."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import Event, EventKind

SOUND_RATE_HZ = 48_000

_SILENT = 10 ** (-60 / 20)
_LEAST_SECONDS = 2.0
_WINDOW_SECONDS = 0.05


def find_silences(
    blocks: Iterable[NDArray[np.float32]], frame_rate: float, rate_hz: int = SOUND_RATE_HZ
) -> Iterator[Event]:
    """Yield where nothing is heard: two seconds or more in which no sample is louder than −60 dBFS.

    Args:
        blocks: Samples × channels, each from -1 to 1, in order; of any length.
        frame_rate: Frames a second of the picture, by which events are numbered.
        rate_hz: Samples a second.
    """
    window = round(_WINDOW_SECONDS * rate_hz)
    since: int | None = 0
    position = 0
    for piece in _windows(blocks, window):
        if float(np.abs(piece).max()) > _SILENT:
            yield from _silence(since, position, frame_rate, rate_hz)
            since = None
        elif since is None:
            since = position
        position += len(piece)
    yield from _silence(since, position, frame_rate, rate_hz)


def _windows(blocks: Iterable[NDArray[np.float32]], window: int) -> Iterator[NDArray[np.float32]]:
    for block in blocks:
        for start in range(0, len(block), window):
            yield block[start : start + window]


def _silence(since: int | None, until: int, frame_rate: float, rate_hz: int) -> Iterator[Event]:
    if since is None or until - since < _LEAST_SECONDS * rate_hz:
        return
    start = since / rate_hz
    seconds = round((until - since) / rate_hz, 3)
    yield Event(kind=EventKind.SILENCE, at_seconds=round(start, 3), frame=int(start * frame_rate + 1e-6), value=seconds)
