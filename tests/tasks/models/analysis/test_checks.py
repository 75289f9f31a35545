from collections.abc import Iterable

import cv2
import numpy as np
import pytest

from data.domain.analysis import Event
from tasks.models.analysis.checks import PictureChecks, blur, sharpness
from tasks.models.analysis.plan import Picture
from tests.fakes.clips import clip
from tests.fakes.looks import flat, looks, textured, with_box
from tests.fakes.pictures import blurred, frame, still

RATE = 10.0


def checked(pictures: Iterable[Picture]) -> list[tuple[str, float, float | None]]:
    checks, events, shown = PictureChecks(RATE), list[Event](), list(pictures)
    for look in looks(shown, RATE):
        events += checks.look(look)[1]
    events += checks.end(len(shown) / RATE)
    return [(event.kind.value, event.at_seconds, event.value) for event in events]


def moving(count: int, scene: Picture | None = None) -> list[Picture]:
    scene = textured() if scene is None else scene
    return [with_box(scene, 3 * step % 200, 50, 20, 50, (0, 0, 255)) for step in range(count)]


def test_an_ordinary_picture_has_nothing_wrong() -> None:
    assert checked(moving(40)) == []


def test_black_is_told_with_its_length_and_as_nothing_else() -> None:
    assert checked(moving(10) + [flat(3)] * 30 + moving(10)) == [("black", 1.0, 3.0)]


def test_a_moment_of_black_is_not_told() -> None:
    assert checked(moving(10) + [flat(0)] * 3 + moving(10)) == []


def test_a_frozen_picture_is_told_to_the_end_of_the_video() -> None:
    assert checked(moving(10) + [textured()] * 25) == [("freeze", 1.1, 2.4)]


def test_what_moves_slowly_is_not_frozen() -> None:
    scene = textured()

    assert checked(with_box(scene, 20 + step // 5, 50, 20, 60, (0, 0, 255)) for step in range(50)) == []


def test_a_picture_that_fades_slowly_is_not_frozen() -> None:
    fading = [cv2.convertScaleAbs(textured(), alpha=1 - step / 150) for step in range(50)]

    assert [kind for kind, _, _ in checked(np.asarray(each, np.uint8) for each in fading)] == []


def test_too_bright_and_too_dark_are_told() -> None:
    bright = np.clip(textured().astype(np.int16) + 160, 0, 255).astype(np.uint8)
    dark = (textured() // 8).astype(np.uint8)

    assert [kind for kind, _, _ in checked(moving(20, bright))] == ["overexposed"]
    assert [kind for kind, _, _ in checked(moving(20, dark))] == ["underexposed"]


def test_a_dark_picture_with_lights_in_it_is_meant_to_be_dark() -> None:
    night = (textured() // 8).astype(np.uint8)

    assert checked(moving(20, with_box(night, 60, 60, 40, 40, (220, 220, 220)))) == []


def test_a_blurred_scene_is_told() -> None:
    sharp = cv2.resize(still(clip("multi_face")), (256, 192), interpolation=cv2.INTER_AREA)
    scene = np.asarray(sharp, np.uint8)

    assert checked(moving(20, scene)) == []
    assert [kind for kind, _, _ in checked(blurred(each, 6) for each in moving(20, scene))] == ["blur"]


@pytest.mark.parametrize("name", ["bikes", "world", "single_face_video", "trailer_bbb"])
def test_real_pictures_are_sharp_and_blurred_copies_of_them_are_not(name: str) -> None:
    picture = frame(clip(name), 40)
    small = cv2.resize(picture, (256, round(256 * picture.shape[0] / picture.shape[1])), interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    soft = blurred(grey, 5)

    assert blur(grey) < 0.55 < blur(soft)
    assert sharpness(grey) > sharpness(soft) + 1


def test_measures_say_how_much_moves_and_how_bright_it_is() -> None:
    checks = PictureChecks(RATE)
    first, second = (checks.look(look)[0] for look in looks([flat(51), with_box(flat(51), 0, 0, 128, 192, (204,) * 3)]))

    assert (first.motion, first.sharpness, first.brightness) == (0.0, 0.0, pytest.approx(0.2))
    assert (second.motion, second.brightness) == (pytest.approx(0.5), pytest.approx(0.5))
