"""Where a smaller window lies in a larger picture over time, as a camera operator would move it. Pure arithmetic.

Along the one axis on which the window can move, each look at the picture tells how much there is to see at each place.
For every shot the best path through these looks is found at once (dynamic programming), the whole shot known: it earns
what it has near its middle and pays for every move, so it rests where it can, follows where it must, and never sways.
Then it is rounded off, so that it sets off and stops softly. At a cut it jumps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PLACES = 96
"""Places along the axis that are told apart."""
_MOVE_COST = 4.0
"""What a move over the whole axis costs, where a look without anything lost earns 1."""
_EASE_SECONDS = 0.3
"""Standard deviation of the rounding off."""

Profile = NDArray[np.float64]
"""How much there is to see at each of ``PLACES`` places along the axis; any scale."""


@dataclass(frozen=True, eq=False)
class Glance:
    """What one look at the picture tells."""

    frame: int
    profile: Profile
    weight: float = 1.0
    """How much it counts, 0–1."""


def bump(centre: float, width: float) -> Profile:
    """Return the profile of one thing: around a centre (0–1), of a width (0–1)."""
    places = (np.arange(PLACES) + 0.5) / PLACES
    spread = max(width / 2, 0.5 / PLACES)
    return np.asarray(np.exp(-0.5 * ((places - centre) / spread) ** 2))


def camera_path(
    glances: Sequence[Glance], cuts: Sequence[int], frame_count: int, frame_rate: float, window: float
) -> NDArray[np.float64]:
    """Return the centre of the window in each frame, 0–1 along the axis; the window never leaves the picture.

    Args:
        glances: In order of time.
        cuts: Frames at which shots begin, the first one not needed.
        frame_count: Of the video.
        frame_rate: Frames a second.
        window: Length of the window as a share of the axis (0–1).
    """
    starts = [0, *sorted(cut for cut in set(cuts) if 0 < cut < frame_count)]
    path = np.full(frame_count, 0.5)
    for start, end in zip(starts, [*starts[1:], frame_count], strict=True):
        mine = [glance for glance in glances if start <= glance.frame < end]
        if mine:
            path[start:end] = _shot_path(mine, start, end, frame_rate, window)
    return np.asarray(np.clip(path, window / 2, 1 - window / 2))


def _shot_path(glances: Sequence[Glance], start: int, end: int, frame_rate: float, window: float) -> Profile:
    centres = (np.arange(PLACES) + 0.5) / PLACES
    allowed = np.clip(centres, window / 2, 1 - window / 2)
    # How well a thing at one place is seen by a window at another: best in its middle, badly near its edge.
    apart = np.abs(centres[:, None] - allowed[None, :]) / (window / 2)
    seen = np.clip(1 - apart**2, 0, None)
    earned = np.stack([glance.weight * (_normed(glance.profile) @ seen) for glance in glances])
    places = _best_path(earned, allowed)
    frames = [glance.frame for glance in glances]
    path = np.interp(np.arange(start, end), frames, allowed[places])
    return _rounded_off(path, _EASE_SECONDS * frame_rate)


def _normed(profile: Profile) -> Profile:
    seen = profile if profile.sum() > 0 else bump(0.5, 0.3)
    return np.asarray(seen / seen.sum())


def _best_path(earned: Profile, centres: Profile) -> NDArray[np.int64]:
    """Return the place at each look that earns most over all, moves paid for."""
    moves = _MOVE_COST * np.abs(centres[:, None] - centres[None, :])
    value = earned[0]
    origins = np.zeros(earned.shape, dtype=np.int64)
    for look in range(1, len(earned)):
        reached = value[:, None] - moves
        origins[look] = reached.argmax(axis=0)
        value = reached.max(axis=0) + earned[look]
    places = np.empty(len(earned), dtype=np.int64)
    # Where several places are as good, the one in the middle of them.
    best = np.flatnonzero(value >= value.max() - 1e-9)
    places[-1] = best[len(best) // 2]
    for look in range(len(earned) - 1, 0, -1):
        places[look - 1] = origins[look][places[look]]
    return places


def _rounded_off(path: Profile, spread_frames: float) -> Profile:
    reach = max(1, round(3 * spread_frames))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(spread_frames, 1e-6)) ** 2)
    padded = np.pad(path, reach, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")
