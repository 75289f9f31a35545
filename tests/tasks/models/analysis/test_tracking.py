import pytest

from tasks.models.analysis.detections import Detections
from tasks.models.analysis.tracking import Tracker

RATE = 10.0
ASPECT = 0.75


def seen(*boxes: tuple[float, float, float, float], label: str = "moving") -> Detections:
    return Detections(boxes, (0.9,) * len(boxes), (label,) * len(boxes))


def person(x: float, y: float = 0.5) -> tuple[float, float, float, float]:
    return x, y, x + 0.04, y + 0.2


def test_one_thing_keeps_its_number() -> None:
    tracker = Tracker(RATE, ASPECT, 0.4)

    found = [tracker.follow(seen(person(0.1 + 0.01 * step)), step / RATE) for step in range(30)]

    assert found[0] == found[1] == []  # it could be nothing yet
    assert {each.track for frame in found for each in frame} == {1}
    assert found[-1][0].speed == pytest.approx(0.1, rel=0.05)


def test_two_who_pass_each_other_at_a_distance_keep_their_numbers() -> None:
    tracker = Tracker(RATE, ASPECT, 0.4)

    found = [
        tracker.follow(seen(person(0.1 + 0.01 * step, 0.2), person(0.6 - 0.01 * step, 0.6)), step / RATE)
        for step in range(30)
    ]

    assert [[each.track for each in frame] for frame in found[2:]] == [[1, 2]] * 28
    assert found[-1][0].box[1] == pytest.approx(0.2)


def test_what_was_hidden_for_two_seconds_comes_back_with_its_number() -> None:
    tracker = Tracker(RATE, ASPECT, 0.4)
    for step in range(20):
        tracker.follow(seen(person(0.1 + 0.005 * step)), step / RATE)
    for step in range(20, 40):
        tracker.follow(seen(), step / RATE)

    found = [tracker.follow(seen(person(0.25 + 0.005 * step)), 4 + step / RATE) for step in range(10)]

    assert [each.track for each in found[-1]] == [1]
    assert tracker.gone(5.0) == []


def test_what_appears_elsewhere_is_another() -> None:
    tracker = Tracker(RATE, ASPECT, 0.4)
    for step in range(10):
        tracker.follow(seen(person(0.1)), step / RATE)

    found = [tracker.follow(seen(person(0.7)), 1 + step / RATE) for step in range(10)]

    assert [each.track for each in found[-1]] == [2]
    assert tracker.gone(10.0) == [1, 2]
    assert tracker.gone(11.0) == []


def test_nothing_is_tracked_where_nothing_is_found() -> None:
    tracker = Tracker(RATE, ASPECT, 0.4)

    assert all(tracker.follow(seen(), step / RATE) == [] for step in range(20))
