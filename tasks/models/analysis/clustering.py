"""Which tracks look alike: colours and edges of what is in their boxes, grouped from the bottom up.

A red jacket is found again when its wearer comes back; two people in black coats are one group.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.models.analysis.detections import Edges
from tasks.models.analysis.plan import Picture
from tasks.models.analysis.tracking import Tracked

_CORE = 0.2
"""Of a box, on its left and right, is mostly background."""
_PARTS = 3
"""From top to bottom: head, body, legs of a person."""
_SIZE = (24, 48)
_HUES, _SATURATIONS, _GREYS, _EDGES = 8, 2, 6, 6
_COLOURS = _HUES * _SATURATIONS
_COLOURED = 50
_LEVELS = np.arange(256)
_HUE_KINDS = (_LEVELS * _HUES // 180 * _SATURATIONS).astype(np.uint8)
_SATURATION_KINDS = ((_LEVELS - _COLOURED).clip(0) * _SATURATIONS // (256 - _COLOURED)).astype(np.uint8)
_GREY_KINDS = (_COLOURS + _LEVELS * _GREYS // 256).astype(np.uint8)
"""Of each hue, saturation and value, by which pixels are counted."""
_EDGE_WEIGHT = 0.3
_APART = 0.45
"""Mean distance of two groups' members (0–√2), from which on they do not look alike."""
_MOST_TRACKS = 1000
_LEAST_PIXELS = 6
_TOGETHER = 16
"""So many crops are described at once."""

Descriptor = NDArray[np.float32]


class Appearances:
    """What tracks look like; lives as long as one analysis and keeps a few hundred bytes of each track."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds
        self._due_at: dict[int, float] = {}
        self._looks: dict[int, tuple[Descriptor, int]] = {}
        """The sum of what was described of each track, and how often that was."""
        self._undescribed: list[tuple[int, Picture]] = []

    def due(self, seen: list[Tracked], at_seconds: float) -> list[Tracked]:
        """Return those tracks of a frame whose turn it is."""
        return [each for each in seen if self._due_at.get(each.track, at_seconds) <= at_seconds]

    def look(self, picture: Picture, due: list[Tracked], at_seconds: float) -> None:
        """Take the appearance of tracks whose turn it is, in a frame."""
        for each in due:
            if (crop := cut(picture, each.box)) is not None:
                self._due_at[each.track] = at_seconds + self._interval - 1e-6
                self._undescribed.append((each.track, crop))
        if len(self._undescribed) >= _TOGETHER:
            self._describe()

    def _describe(self) -> None:
        if not self._undescribed:
            return
        tracks, crops = zip(*self._undescribed, strict=True)
        self._undescribed = []
        for track, described in zip(tracks, describe(crops), strict=True):
            total, count = self._looks.get(track, (np.zeros_like(described), 0))
            self._looks[track] = total + described, count + 1

    def groups(self) -> dict[int, int]:
        """Return the number of the group of each track, from 1 in order of the groups' first tracks."""
        self._describe()
        most_seen = sorted(self._looks, key=lambda track: -self._looks[track][1])[:_MOST_TRACKS]
        tracks = sorted(most_seen)
        if len(tracks) < 2:
            return dict.fromkeys(tracks, 1)
        from scipy.cluster.hierarchy import fcluster, linkage

        means = np.stack([self._looks[track][0] / self._looks[track][1] for track in tracks])
        found = fcluster(linkage(means, "average"), _APART, "distance")
        order: dict[int, int] = {}
        return {track: order.setdefault(int(group), len(order) + 1) for track, group in zip(tracks, found, strict=True)}


def cut(picture: Picture, box: Edges) -> Picture | None:
    """Return what is in a box (shares of the picture), at one size for all; ``None`` if it is too small."""
    height, width = picture.shape[:2]
    inset = (box[2] - box[0]) * _CORE
    left, right = round((box[0] + inset) * width), round((box[2] - inset) * width)
    top, bottom = round(box[1] * height), round(box[3] * height)
    crop = picture[max(0, top) : bottom, max(0, left) : right]
    if crop.shape[0] < _LEAST_PIXELS or crop.shape[1] < 2:
        return None
    return np.asarray(cv2.resize(crop, _SIZE, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def describe(crops: Sequence[Picture]) -> NDArray[np.float32]:
    """Return what is in each crop as a row of length about 1; for several at once, which takes less long."""
    tall, count = np.concatenate(crops), len(crops)
    # Edges by the crop, so that none is seen between two.
    greys = np.split(cv2.cvtColor(tall, cv2.COLOR_BGR2GRAY), count)
    across, down = (np.concatenate([cv2.Sobel(grey, cv2.CV_32F, *axis) for grey in greys]) for axis in ((1, 0), (0, 1)))
    found = np.concatenate([_colours(tall, count), _directions(across, down, count)], axis=2)
    return np.asarray(found / np.sqrt(_PARTS * (1 + _EDGE_WEIGHT**2)), np.float32).reshape(count, -1)


def _colours(tall: Picture, count: int) -> NDArray[np.float64]:
    """Square roots of shares, so that distances are those of Hellinger: a little of a colour counts too."""
    hue, saturation, value = (np.asarray(each, np.uint8) for each in cv2.split(cv2.cvtColor(tall, cv2.COLOR_BGR2HSV)))
    is_coloured = (saturation >= _COLOURED) & (value >= _COLOURED)
    colours = np.add(_HUE_KINDS.take(hue), _SATURATION_KINDS.take(saturation))
    kinds = np.where(is_coloured, colours, _GREY_KINDS.take(value))
    shares = _counted(kinds, count, _COLOURS + _GREYS) / (hue.size // (count * _PARTS))
    return np.asarray(np.sqrt(shares), np.float64)


def _directions(across: Any, down: Any, count: int) -> NDArray[np.float64]:
    lengths, angles = cv2.cartToPolar(across, down)
    turns = (angles * (_EDGES / np.pi)).astype(np.uint8)  # all around it is twice as many
    edges = _counted(turns % _EDGES, count, _EDGES, lengths)
    shares = edges / np.maximum(edges.sum(axis=2, keepdims=True), 1e-6)
    return np.asarray(np.sqrt(shares) * _EDGE_WEIGHT, np.float64)


def _counted(kinds: NDArray[Any], count: int, most: int, weights: Any = None) -> NDArray[np.float64]:
    """Count each kind of pixel in each part of each crop: crops × parts × kinds."""
    parts = np.repeat(np.arange(count * _PARTS) * most, _SIZE[0] * _SIZE[1] // _PARTS)
    counts = np.bincount(kinds.ravel() + parts, None if weights is None else weights.ravel(), count * _PARTS * most)
    return np.asarray(counts, np.float64).reshape(count, _PARTS, most)
