"""ByteTrack (from the library ``trackers``) with what it is given and made of as light as a handful of boxes needs.

It is asked for every frame, and its general parts take longer than its matching: matrices of eight by eight for each
box, of which all but two numbers are zeros or alike, and containers that are validated and copied.
Loaded only by those who track: the library takes a second.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from trackers import ByteTrackTracker
from trackers.utils.iou import IoU
from trackers.utils.state_representations import XYXYStateEstimator

from tasks.models.analysis.detections import Detections

_Boxes = NDArray[np.float64]
_SMALLEST = 1e-12
"""Of an area that is divided by."""


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
        self._place: list[float] = bbox.tolist()
        self._velocity = [0.0] * 4
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
        self._place = [edge + speed for edge, speed in zip(self._place, self._velocity, strict=True)]
        self._place_variance += 2 * self._shared + self._velocity_variance + self._drift
        self._shared += self._velocity_variance
        self._velocity_variance += self._drift

    def update(self, bbox: _Boxes | None) -> None:
        """Take where the box is."""
        if bbox is None:
            return
        total = self._place_variance + self._noise
        gain, velocity_gain = self._place_variance / total, self._shared / total
        # Four numbers: an array takes longer.
        for edge, seen in enumerate(bbox.tolist()):
            surprise = seen - self._place[edge]
            self._place[edge] += gain * surprise
            self._velocity[edge] += velocity_gain * surprise
        self._velocity_variance -= velocity_gain * self._shared
        self._shared *= 1 - gain
        self._place_variance *= 1 - gain

    def state_to_bbox(self) -> Any:
        """Return where the box is, as four numbers."""
        return self._place.copy()


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
        self._tracker = ByteTrackTracker(
            lost_track_buffer=round(lost_seconds * 30),
            frame_rate=rate,
            track_activation_threshold=min_confidence,
            minimum_consecutive_frames=confirming_frames,
            minimum_iou_threshold=least_overlap,
            high_conf_det_threshold=min_confidence,
            state_estimator_class=EvenEstimator,
            iou=_Overlap(),
        )

    def number(self, found: Detections, scale: _Boxes) -> list[tuple[int, int]]:
        """Return the number, from 0, and the row of each detection that is of a track.

        Args:
            found: What was detected in the next frame.
            scale: Multiplies the edges of its boxes.
        """
        if not len(found) and not self._tracker.tracks:
            return []
        given = _Given(found.boxes * scale, found.confidences, np.arange(len(found)))
        answer: Any = self._tracker.update(cast(Any, given))
        if not len(answer):
            return []
        rows, numbers = answer.rows.tolist(), answer.tracker_id.tolist()
        return [(number, row) for number, row in zip(numbers, rows, strict=True) if number >= 0]
