"""Where faces have to be hidden: what the detector found, with the frames between, before and after. Pure.

A detector loses a face for a frame when it turns, blinks or blurs. The whole video is known here, so a face that is
found again is taken to have been on the way in between, and one that is found for the first time, or for the last, to
have been there a little longer. Too much is hidden rather than too little.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tasks.media.hiding import Area
from tasks.models.faces import FaceBox

MIN_SCORE = 0.3
"""So sure the detector must be: half of what it needs elsewhere."""
_SURE_SCORE = 0.5
_SURE_COUNT = 3
"""What is found less often than this, and never surely, is no face."""
_AROUND_FRAMES = 2
"""What is hidden covers the face of so many frames before and after, so that no movement outruns it."""
_GROWTH = 0.02
"""For each frame that a face is only taken to be there, what is hidden grows by this share of its size on each side."""
_FARTHEST = 1.2
"""A face moves no further than so many times its size between two frames in which it is found."""
_LARGEST_CHANGE = 2.0


@dataclass
class _Track:
    """One face over time; grows while it is found."""

    frames: list[int] = field(default_factory=list)
    boxes: list[FaceBox] = field(default_factory=list)

    def add(self, frame: int, box: FaceBox) -> None:
        self.frames.append(frame)
        self.boxes.append(box)

    @property
    def is_believable(self) -> bool:
        return len(self.boxes) >= _SURE_COUNT or max(box.score for box in self.boxes) >= _SURE_SCORE


def hidden_areas(
    found: Sequence[Sequence[FaceBox]], cuts: Collection[int], hold_frames: int, margin: float
) -> tuple[tuple[Area, ...], ...]:
    """Return what has to be hidden in each frame.

    Args:
        found: The faces that were found in each frame, in pixels of one size for all.
        cuts: Frames at which shots begin: no face is followed, or held, across one.
        hold_frames: For how long a face is taken to be there before it is found, and after; twice as long between.
        margin: Grow each face by this share of its size on each side.
    """
    areas: list[list[Area]] = [[] for _ in found]
    starts = sorted({0, *cuts})
    for track in _tracks(found, frozenset(cuts), 2 * hold_frames + 1):
        if track.is_believable:
            first = max(start for start in starts if start <= track.frames[0])
            last = min((start for start in starts if start > track.frames[-1]), default=len(found)) - 1
            for frame, area in _course(track, first, last, hold_frames):
                areas[frame].append(area.grown(margin))
    return tuple(tuple(each) for each in areas)


def _tracks(found: Sequence[Sequence[FaceBox]], cuts: frozenset[int], longest_gap: int) -> list[_Track]:
    ended: list[_Track] = []
    open_tracks: list[_Track] = []
    for frame, boxes in enumerate(found):
        alive = [] if frame in cuts else [track for track in open_tracks if frame - track.frames[-1] <= longest_gap]
        ended += [track for track in open_tracks if track not in alive]
        open_tracks = alive
        pairs = sorted(
            (
                (distance, t, b)
                for t, track in enumerate(open_tracks)
                for b, box in enumerate(boxes)
                if (distance := _distance(track.boxes[-1], box)) <= _FARTHEST
            ),
        )
        taken_tracks: set[int] = set()
        taken_boxes: set[int] = set()
        for _, t, b in pairs:
            if t not in taken_tracks and b not in taken_boxes:
                open_tracks[t].add(frame, boxes[b])
                taken_tracks.add(t)
                taken_boxes.add(b)
        open_tracks += [_Track([frame], [box]) for b, box in enumerate(boxes) if b not in taken_boxes]
    return ended + open_tracks


def _distance(a: FaceBox, b: FaceBox) -> float:
    """How far two boxes are apart, in sizes of a face; infinite where they are too different to be one."""
    size_a, size_b = (max(1e-6, (box.width * box.height) ** 0.5) for box in (a, b))
    if max(size_a, size_b) > _LARGEST_CHANGE * min(size_a, size_b):
        return float("inf")
    x = a.left + a.width / 2 - b.left - b.width / 2
    y = a.top + a.height / 2 - b.top - b.height / 2
    return float(np.hypot(x, y) / max(size_a, size_b))


def _course(track: _Track, first: int, last: int, hold_frames: int) -> Iterator[tuple[int, Area]]:
    """Yield the area of a face in each frame from before it was found until after, within its shot."""
    begin, end = max(first, track.frames[0] - hold_frames), min(last, track.frames[-1] + hold_frames)
    frames = np.arange(begin, end + 1)
    known = np.array(track.frames)
    sides = np.array([(b.left, b.top, b.left + b.width, b.top + b.height) for b in track.boxes])
    left, top, right, bottom = (np.interp(frames, known, sides[:, side]) for side in range(4))
    growth = np.minimum(_GROWTH * _frames_to_nearest(frames, known), 0.5)
    x, y = (right - left) * growth, (bottom - top) * growth
    lowest = [_around(values, np.minimum) for values in (left - x, top - y)]
    highest = [_around(values, np.maximum) for values in (right + x, bottom + y)]
    for index, frame in enumerate(frames):
        yield int(frame), Area(lowest[0][index], lowest[1][index], highest[0][index], highest[1][index])


def _frames_to_nearest(frames: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    after = np.searchsorted(known, frames).clip(0, len(known) - 1)
    before = (after - 1).clip(0)
    return np.asarray(np.minimum(np.abs(frames - known[before]), np.abs(frames - known[after])))


def _around(values: NDArray[np.float64], extreme: np.ufunc) -> NDArray[np.float64]:
    padded = np.pad(values, _AROUND_FRAMES, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND_FRAMES + 1)
    return np.asarray(extreme.reduce(windows, axis=1))
