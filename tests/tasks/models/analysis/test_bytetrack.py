"""ByteTrack with light parts comes to the same as the library's own, box by box and number by number."""

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from supervision import Detections as TheirDetections
from trackers import ByteTrackTracker
from trackers.core.bytetrack.tracklet import ByteTrackTracklet
from trackers.utils.state_representations import XYXYStateEstimator

from tasks.models.analysis.bytetrack import ByteTrack, EvenEstimator
from tasks.models.analysis.detections import Detections

UNITS = 1000.0, 750.0  # across and down
SURE = 0.5


def found(boxes: Any, confidences: Any = None) -> Detections:
    sure = np.full(len(boxes), 0.9) if confidences is None else confidences
    return Detections([tuple(map(float, box)) for box in boxes], list(map(float, sure)), ("x",) * len(boxes))


def crowd(seed: int, people: int, least_sure: float, frames: int = 150) -> list[Detections]:
    """People who walk through each other, are hidden or unsure now and then, in any order, and boxes that are none."""
    random = np.random.default_rng(seed)
    middles, sizes = random.random((people, 2)), random.uniform(0.05, 0.2, (people, 2))
    speeds, scene = random.normal(0, 0.01, (people, 2)), []
    for _ in range(frames):
        middles += speeds
        middles = np.where(np.abs(middles - 0.5) > 0.6, 1 - middles, middles)
        seen = np.flatnonzero(random.random(people) < 0.85)
        corners = middles[seen] + random.normal(0, 0.003, (len(seen), 2))
        boxes = np.hstack([corners - sizes[seen] / 2, corners + sizes[seen] / 2])
        false = random.random((random.integers(0, 3), 2))
        boxes = random.permutation(np.vstack([boxes, np.hstack([false, false + 0.06])]))
        scene.append(found(boxes, random.uniform(least_sure, 1.0, len(boxes))))
    return scene + [Detections.none()] * 5 + scene[:20]


def theirs(tracker: ByteTrackTracker, each: Detections) -> list[tuple[int, int]]:
    boxes, sure = np.array(each.boxes).reshape(-1, 4) * (UNITS * 2), np.array(each.confidences, np.float32)
    given = TheirDetections(xyxy=boxes, confidence=sure, data={"row": np.arange(len(each))})
    answer = cast(TheirDetections, tracker.update(given))
    if not len(answer) or answer.tracker_id is None:
        return []
    rows = cast(NDArray[np.intp], answer.data["row"])
    return [(number, row) for number, row in zip(answer.tracker_id.tolist(), rows.tolist(), strict=True) if number >= 0]


def test_a_box_is_expected_where_the_librarys_filter_expects_it() -> None:
    random = np.random.default_rng(5)
    boxes = np.array([0, 0, 40, 90]) + np.cumsum(random.normal(3, 2, (60, 4)), axis=0)
    light, whole = (ByteTrackTracklet(boxes[0], each) for each in (EvenEstimator, XYXYStateEstimator))

    for number, box in enumerate(boxes[1:]):
        expected = [each.predict() for each in (light, whole)]
        assert expected[0] == pytest.approx(expected[1])
        if number % 7 < 5:  # it is hidden now and then
            light.update(box)
            whole.update(box)

        assert light.get_state_bbox() == pytest.approx(whole.get_state_bbox())


@pytest.mark.parametrize("people", [3, 12], ids=["few", "a crowd"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("rate", "confirming"), [(2.0, 1), (10.0, 3), (25.0, 6)])
def test_all_get_the_numbers_that_the_library_gives(seed: int, people: int, rate: float, confirming: int) -> None:
    ours = ByteTrack(rate, 1.5, confirming, 0.1, SURE)
    library = ByteTrackTracker(45, rate, SURE, confirming, 0.1, SURE, XYXYStateEstimator)

    numbers = set[int]()
    for each in crowd(seed, people, least_sure=0.2 if people > 3 else SURE):
        given = ours.number(each, *UNITS)
        numbers |= {number for number, _ in given}
        assert sorted(given) == sorted(theirs(library, each))

    assert len(numbers) > people


def test_a_number_is_given_with_the_row_of_what_was_found() -> None:
    track = ByteTrack(10.0, 1.0, 2, 0.1, 0.4)
    one, other = [0.1, 0.1, 0.2, 0.4], [0.6, 0.5, 0.7, 0.8]

    assert track.number(found([one, other]), *UNITS) == []
    assert sorted(track.number(found([one, other]), *UNITS)) == [(0, 0), (1, 1)]
    assert sorted(track.number(found([other, one]), *UNITS)) == [(0, 1), (1, 0)]
    assert track.number(Detections.none(), *UNITS) == []


def test_a_box_that_is_foretold_inside_out_overlaps_with_nothing() -> None:
    """Something shrinks until it is hidden; where it would be by now, at less than no size, something else stands."""
    shrinking = [[0.2 + edge, 0.2 + edge, 0.8 - edge, 0.8 - edge] for edge in np.arange(0, 0.28, 0.03)]
    scene = [found([box]) for box in shrinking] + [Detections.none()] * 5 + [found([[0.3, 0.3, 0.7, 0.7]])] * 5
    ours = ByteTrack(10.0, 3.0, 1, 0.1, SURE)
    library = ByteTrackTracker(30, 10.0, SURE, 1, 0.1, SURE, XYXYStateEstimator)

    given = [ours.number(each, *UNITS) for each in scene]

    assert given == [theirs(library, each) for each in scene]
    assert (given[-6], given[-1]) == ([], [(1, 0)])
