"""ByteTrack (from the library ``trackers``) with what it is given and made of as light as a handful of boxes needs.

It is asked for every frame, and its general parts take longer than its matching: matrices of eight by eight for each
box, of which all but two numbers are zeros or alike, and containers that are validated and copied. In many frames there
is nothing to match either: no box has a choice. Those are seen to here; what there is to decide, the library does.
Loaded only by those who track: the library takes a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from trackers import ByteTrackTracker
from trackers.core.bytetrack.utils import _get_alive_tracklets
from trackers.utils.iou import IoU
from trackers.utils.state_representations import XYXYStateEstimator

from tasks.models.analysis.detections import Detections, Edges

_Boxes = NDArray[np.float64]
_SMALLEST = 1e-12
"""Of an area that is divided by."""
_NO_NUMBER = -1
"""In the library's words."""


@dataclass(slots=True)
class _Given:
    """Boxes as the tracker reads them, and as it answers: those parts of ``supervision.Detections`` that it uses."""

    xyxy: _Boxes
    confidence: NDArray[np.float32]
    rows: NDArray[np.intp]
    """Of each box in what was found."""
    tracker_id: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: NDArray[np.intp]) -> "_Given":
        return _Given(self.xyxy[index], self.confidence[index], self.rows[index])


class EvenEstimator(XYXYStateEstimator):
    """The library's Kalman filter of a box where the four edges are uncertain alike, as ByteTrack sets it up.

    No edge depends on another then: of the covariance (8 × 8) three numbers are left, the same for each edge.
    """

    def __init__(self, bbox: _Boxes) -> None:
        super().__init__(bbox)
        self.place: Edges = tuple(bbox.tolist())
        self._velocity: Edges = (0.0, 0.0, 0.0, 0.0)
        self._place_variance, self._shared, self._velocity_variance = 1.0, 0.0, 1.0

    def set_kf_covariances(
        self,
        measurement_noise: _Boxes | None = None,
        process_noise: _Boxes | None = None,
        state_covariance: _Boxes | None = None,
    ) -> None:
        """Take how uncertain boxes, their motion and the first of them are."""
        super().set_kf_covariances(measurement_noise, process_noise, state_covariance)
        self._noise = float(self.kf.measurement_noise[0, 0])
        self._drift = float(self.kf.process_noise[0, 0])

    def predict(self, frame_step: float = 1.0, frame_rate: float | None = None) -> None:
        """Go on by one frame; steps are always one, since no times are given."""
        (left, top, right, bottom), speeds = self.place, self._velocity
        self.place = left + speeds[0], top + speeds[1], right + speeds[2], bottom + speeds[3]
        self._place_variance += 2 * self._shared + self._velocity_variance + self._drift
        self._shared += self._velocity_variance
        self._velocity_variance += self._drift

    def update(self, bbox: _Boxes | None) -> None:
        """Take where the box is."""
        if bbox is not None:
            self.see(tuple(bbox.tolist()))

    def see(self, seen: Edges) -> None:
        """Take where the box is, as plain numbers."""
        total = self._place_variance + self._noise
        gain, velocity_gain = self._place_variance / total, self._shared / total
        (left, top, right, bottom), (over, down, wide, high) = self.place, self._velocity
        # One by one: a loop over four takes three times as long.
        by_left, by_top, by_right, by_bottom = seen[0] - left, seen[1] - top, seen[2] - right, seen[3] - bottom
        self.place = left + gain * by_left, top + gain * by_top, right + gain * by_right, bottom + gain * by_bottom
        self._velocity = (
            over + velocity_gain * by_left,
            down + velocity_gain * by_top,
            wide + velocity_gain * by_right,
            high + velocity_gain * by_bottom,
        )
        self._velocity_variance -= velocity_gain * self._shared
        self._shared *= 1 - gain
        self._place_variance *= 1 - gain

    def state_to_bbox(self) -> Any:
        """Return where the box is, as four numbers."""
        return self.place


class _Overlap(IoU):
    """The library's measure, without what it does for millions of boxes."""

    def compute(self, boxes_1: _Boxes, boxes_2: _Boxes) -> _Boxes:
        """Return intersection over union of each box with each (n × m); boxes are finite, and of some size."""
        if not len(boxes_1) or not len(boxes_2):
            return np.zeros((len(boxes_1), len(boxes_2)))
        left, top, right, bottom = boxes_1.T[..., None]
        other_left, other_top, other_right, other_bottom = boxes_2.T
        across = np.minimum(right, other_right) - np.maximum(left, other_left)
        down = np.minimum(bottom, other_bottom) - np.maximum(top, other_top)
        common = np.maximum(across, 0) * np.maximum(down, 0)
        areas = (right - left) * (bottom - top) + (other_right - other_left) * (other_bottom - other_top)
        return np.asarray(common / np.maximum(areas - common, _SMALLEST), np.float64)


class _Tracker(ByteTrackTracker):
    """The library's tracker, which is asked less where all boxes are sure: not at all where none has a choice."""

    def continued(self, seen: Sequence[Edges], confidences: Sequence[float]) -> list[tuple[int, int]]:
        """Return the number and the row of each box that is of a track.

        Args:
            seen: The boxes of the next frame.
            confidences: How sure each is.
        """
        expected = self._expected()
        if seen and min(confidences) < self.high_conf_det_threshold:
            return self._decided(_Given(np.array(seen), np.array(confidences, np.float32), np.arange(len(seen))))
        pairs = self._paired(expected, seen)
        numbered = [(self._seen(self.tracks[index], seen[row]), row) for index, row in pairs]
        known, taken = len(self.tracks), {row for _, row in pairs}
        if new := [row for row in range(len(seen)) if row not in taken]:
            sure = np.array(confidences, np.float32)
            self._spawn_new_tracks(np.array(seen), sure, new, np.arange(len(seen)), [], [])
        if len(pairs) < known:  # who was not seen may be lost
            self.tracks = _get_alive_tracklets(
                self.tracks, self.minimum_consecutive_frames, self.maximum_frames_without_update
            )
        return [(number, row) for number, row in numbered if number != _NO_NUMBER]

    def _expected(self) -> list[Edges]:
        """Let all go on by one frame, as their own ``predict`` does, and return where they are by then."""
        places = []
        for track in self.tracks:
            estimator: Any = track.state_estimator
            estimator.predict()
            if track.time_since_update:
                track.number_of_successful_consecutive_updates = 0
            track.time_since_update += 1
            track.age += 1
            places.append(estimator.place)
        return places

    def _paired(self, expected: list[Edges], seen: Sequence[Edges]) -> list[tuple[int, int]]:
        """Return which tracks, by their places in the list, are which boxes: where one has a choice, by the library."""
        overlaps = _overlaps(expected, seen)
        tracks, rows = {pair[0] for pair in overlaps}, {pair[1] for pair in overlaps}
        if len(tracks) == len(rows) == len(overlaps):
            return [pair for pair, overlap in overlaps.items() if overlap >= self.minimum_iou_threshold]
        matrix = np.zeros((len(self.tracks), len(seen)))
        for pair, overlap in overlaps.items():
            matrix[pair] = overlap
        return self._get_associated_indices(matrix, self.minimum_iou_threshold)[0]

    def _decided(self, given: _Given) -> list[tuple[int, int]]:
        answer: Any = self.update(cast(Any, given))
        if not len(answer):
            return []
        rows, numbers = answer.rows.tolist(), answer.tracker_id.tolist()
        return [(number, row) for number, row in zip(numbers, rows, strict=True) if number != _NO_NUMBER]

    def _seen(self, track: Any, edges: Edges) -> int:
        """Take where a track is, as its own ``update`` does, and return its number."""
        track.state_estimator.see(edges)
        track.time_since_update = 0
        track.number_of_successful_consecutive_updates += 1
        if (
            track.tracker_id == _NO_NUMBER
            and track.number_of_successful_consecutive_updates >= self.minimum_consecutive_frames
        ):
            track.tracker_id = self._allocate_tracker_id()
        return int(track.tracker_id)

    def _predict_tracklets(self, tracklets: list[Any], timing: Any) -> None:
        """Nothing is left to do: all went on by one frame before the library was asked."""


def _overlaps(expected: list[Edges], seen: Sequence[Edges]) -> dict[tuple[int, int], float]:
    """Return intersection over union of those that overlap, by their places in both lists; for few of them."""
    found = dict[tuple[int, int], float]()
    for index, (left, top, right, bottom) in enumerate(expected):
        area = (right - left) * (bottom - top)
        for row, (other_left, other_top, other_right, other_bottom) in enumerate(seen):
            # No min() and max(): they take three times as long. What was foretold inside out overlaps with nothing.
            across = (right if right < other_right else other_right) - (left if left > other_left else other_left)
            if across <= 0:
                continue
            down = (bottom if bottom < other_bottom else other_bottom) - (top if top > other_top else other_top)
            if down > 0:
                common = across * down
                areas = area + (other_right - other_left) * (other_bottom - other_top)
                found[index, row] = common / max(areas - common, _SMALLEST)
    return found


class ByteTrack:
    """Numbers detections from frame to frame; lives as long as one analysis.

    Args:
        rate: Frames a second.
        lost_seconds: For so long it waits for a thing that is hidden.
        confirming_frames: Frames in a row in which a thing is seen before it gets a number.
        least_overlap: Of a box with where it is expected (0–1).
        min_confidence: Detections that are as sure as this begin tracks; others only continue one.
    """

    def __init__(
        self, rate: float, lost_seconds: float, confirming_frames: int, least_overlap: float, min_confidence: float
    ) -> None:
        self._tracker = _Tracker(
            lost_track_buffer=round(lost_seconds * 30),
            frame_rate=rate,
            track_activation_threshold=min_confidence,
            minimum_consecutive_frames=confirming_frames,
            minimum_iou_threshold=least_overlap,
            high_conf_det_threshold=min_confidence,
            state_estimator_class=EvenEstimator,
            iou=_Overlap(),
        )

    def number(self, found: Detections, across: float, down: float) -> list[tuple[int, int]]:
        """Return the number, from 0, and the row of each detection that is of a track.

        Args:
            found: What was detected in the next frame.
            across: How wide the picture is, in the tracker's units.
            down: How high it is.
        """
        if not len(found) and not self._tracker.tracks:
            return []
        boxes = [(left * across, top * down, right * across, bottom * down) for left, top, right, bottom in found.boxes]
        return self._tracker.continued(boxes, found.confidences)
