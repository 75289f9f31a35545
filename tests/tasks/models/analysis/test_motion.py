import numpy as np
import pytest

from tasks.models.analysis.motion import MotionDetector
from tasks.models.analysis.plan import Picture
from tests.fakes.looks import flat, looks, textured, with_box

RATE = 10.0


@pytest.mark.parametrize("value", [0, 128, 255])
def test_nothing_moves_in_a_flat_picture(value: int) -> None:
    detector = MotionDetector(RATE)

    assert all(len(detector.detect(look)) == 0 for look in looks([flat(value)] * 40))


def test_nothing_moves_in_a_still_picture_that_is_coded_with_noise() -> None:
    detector, random = MotionDetector(RATE), np.random.default_rng(3)
    scene = textured().astype(np.int16)
    noisy = [np.clip(scene + random.integers(-6, 7, scene.shape), 0, 255).astype(np.uint8) for _ in range(60)]

    assert sum(len(detector.detect(look)) for look in looks(noisy)) == 0


def test_what_moves_is_found_where_it_is() -> None:
    detector, scene = MotionDetector(RATE), textured()
    pictures = [scene] * 20 + [with_box(scene, 20 + 4 * step, 80, 16, 40, (0, 0, 255)) for step in range(40)]

    found = [detector.detect(look) for look in looks(pictures)]

    assert all(len(each) == 0 for each in found[:20])
    for step, each in enumerate(found[22:], start=2):
        assert len(each) == 1
        left, top, right, bottom = np.multiply(each.boxes[0], [256, 192, 256, 192])
        assert abs(left - (20 + 4 * step)) <= 3
        assert abs(right - (36 + 4 * step)) <= 3
        assert abs(top - 80) <= 3
        assert abs(bottom - 120) <= 3


@pytest.mark.parametrize("pixels_each", [1, 3, 9])
def test_while_the_camera_pans_nothing_is_said_to_move(pixels_each: int) -> None:
    detector, wide = MotionDetector(RATE), textured(1024, 192)
    panned = [wide[:, pixels_each * step : pixels_each * step + 256] for step in range(60)]
    still = [panned[-1]] * 20

    counts = [len(detector.detect(look)) for look in looks([panned[0]] * 20 + panned + still)]

    assert sum(count > 0 for count in counts) <= 2  # less than what a track begins with


def test_a_cut_to_another_place_is_nothing_that_moves() -> None:
    detector = MotionDetector(RATE)
    pictures = [textured(seed=1)] * 20 + [textured(seed=2)] * 20 + [flat(0)] * 20

    assert sum(len(detector.detect(look)) for look in looks(pictures)) == 0


def test_what_moves_after_a_cut_is_found() -> None:
    detector, scene = MotionDetector(RATE), textured(seed=2)
    moving = [with_box(scene, 20 + 4 * step, 80, 16, 40, (0, 0, 255)) for step in range(20)]
    pictures = [textured(seed=1)] * 20 + [scene] * 15 + moving

    assert [len(detector.detect(look)) for look in looks(pictures)][-15:] == [1] * 15


def faint() -> Picture:
    """A scene with little detail, before which things have edges."""
    return np.asarray(textured() // 8 + 100, np.uint8)


def test_where_something_stood_at_first_and_has_left_is_nothing_for_long() -> None:
    detector, scene = MotionDetector(RATE), faint()
    there = with_box(scene, 100, 60, 24, 60, (0, 0, 255))

    counts = [len(detector.detect(look)) for look in looks([there] * 30 + [scene] * 30)]

    assert sum(counts[:30]) == 0
    assert sum(counts[30:]) <= 6


def test_what_comes_and_stands_is_seen_on() -> None:
    """Until it is background, as the second thing that is seen there."""
    detector, scene = MotionDetector(RATE), faint()
    there = with_box(scene, 100, 60, 24, 60, (0, 0, 255))

    counts = [len(detector.detect(look)) for look in looks([scene] * 60 + [there] * 10)]

    assert counts[60:] == [1] * 10
