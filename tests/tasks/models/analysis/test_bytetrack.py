"""What ByteTrack is given and made of is lighter than the library's own, and comes to the same."""

import numpy as np
import pytest
from trackers.core.bytetrack.tracklet import ByteTrackTracklet
from trackers.utils.state_representations import XYXYStateEstimator

from tasks.models.analysis.bytetrack import ByteTrack, EvenEstimator
from tasks.models.analysis.detections import Detections


def test_a_box_is_expected_where_the_librarys_filter_expects_it() -> None:
    random = np.random.default_rng(5)
    boxes = np.array([0, 0, 40, 90]) + np.cumsum(random.normal(3, 2, (60, 4)), axis=0)
    light, whole = (ByteTrackTracklet(boxes[0], each) for each in (EvenEstimator, XYXYStateEstimator))

    for number, box in enumerate(boxes[1:]):
        expected = [each.predict() for each in (light, whole)]
        if number % 7 < 5:  # it is hidden now and then
            light.update(box)
            whole.update(box)

        assert expected[0] == pytest.approx(expected[1])
        assert light.get_state_bbox() == pytest.approx(whole.get_state_bbox())


def test_a_number_is_given_with_the_row_of_what_was_found() -> None:
    track = ByteTrack(10.0, 1.0, 2, 0.1, 0.4)
    one, other = [0.1, 0.1, 0.2, 0.4], [0.6, 0.5, 0.7, 0.8]
    scale = np.full(4, 1000.0)

    def found(*boxes: list[float]) -> Detections:
        return Detections(np.array(boxes, np.float32), np.full(len(boxes), 0.9, np.float32), ("x",) * len(boxes))

    assert track.number(found(one, other), scale) == []
    assert sorted(track.number(found(one, other), scale)) == [(0, 0), (1, 1)]
    assert sorted(track.number(found(other, one), scale)) == [(0, 1), (1, 0)]
    assert track.number(Detections.none(), scale) == []
