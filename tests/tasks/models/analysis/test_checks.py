from collections.abc import Iterable

import cv2
import numpy as np
import pytest

from data.domain.analysis import Event, EventKind
from tasks.models.analysis.checks import PictureChecks, blur, sharpness
from tasks.models.analysis.detections import SMALL_SIDE
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


@pytest.mark.parametrize(
    ("pictures", "kinds"),
    [
        ([flat(3)] * 30, ["black"]),
        ([textured()] * 30, ["freeze"]),
        ([(textured() // 8).astype(np.uint8)] * 30, ["freeze", "underexposed"]),
        ([textured()] * 2, ["freeze"]),
        ([flat(3)], ["black"]),
        ([textured()], []),
    ],
)
def test_what_is_so_from_beginning_to_end_is_what_the_video_is_and_no_event(
    pictures: list[Picture], kinds: list[EventKind]
) -> None:
    checks = PictureChecks(RATE)
    told = [event for look in looks(pictures, RATE) for event in checks.look(look)[1]]

    assert told + checks.end(len(pictures) / RATE) == []
    assert list(checks.throughout) == kinds


@pytest.mark.parametrize(
    ("pictures", "event"),
    [
        ([flat(3)] * 20 + moving(20), ("black", 0.0, 2.0)),
        (moving(20) + [flat(3)] * 20, ("black", 2.0, 2.0)),
        ([textured()] * 30 + moving(20), ("freeze", 0.1, 2.9)),
        ([flat(3)] * 30 + [textured()] * 25, ("black", 0.0, 3.0)),
    ],
)
def test_what_is_so_in_a_part_is_an_event(pictures: list[Picture], event: tuple[str, float, float]) -> None:
    assert event in checked(pictures)


def noisy(picture: Picture, seed: int) -> Picture:
    """A picture of which a few pixels differ by more than a frozen one's do, as where a video has a keyframe."""
    spots = np.random.default_rng(seed).random(picture.shape[:2]) < 0.001
    return np.where(spots[..., None], picture ^ 63, picture).astype(np.uint8)


def test_a_still_video_whose_coding_gets_better_is_still_throughout() -> None:
    first, second = noisy(textured(), 1), noisy(textured(), 2)
    pictures = [flat(90), first, first] + [textured()] * 40 + [second] * 2 + [textured()] * 40
    checks = PictureChecks(RATE)
    told = [event for look in looks(pictures, RATE) for event in checks.look(look)[1]]

    assert told + checks.end(len(pictures) / RATE) == []
    assert checks.throughout == ("freeze",)


def test_a_camera_that_sees_nothing_move_is_not_frozen() -> None:
    checks = PictureChecks(RATE)
    told = [event for look in looks((noisy(textured(), n) for n in range(40)), RATE) for event in checks.look(look)[1]]

    assert told + checks.end(4.0) == []
    assert checks.throughout == ()


def test_what_was_kept_back_is_told_once_something_moves() -> None:
    pictures = [noisy(textured(), 1)] * 3 + [textured()] * 30 + moving(20)

    assert checked(pictures) == [("freeze", 0.4, 2.9)]


def test_what_moves_slowly_is_not_frozen() -> None:
    scene = textured()

    assert checked(with_box(scene, 20 + step // 5, 50, 20, 60, (0, 0, 255)) for step in range(50)) == []


def test_a_picture_that_fades_slowly_is_not_frozen() -> None:
    fading = [cv2.convertScaleAbs(textured(), alpha=1 - step / 150) for step in range(50)]

    assert [kind for kind, _, _ in checked(np.asarray(each, np.uint8) for each in fading)] == []


def test_too_bright_and_too_dark_are_told() -> None:
    ordinary = moving(10)
    bright = np.clip(textured().astype(np.int16) + 160, 0, 255).astype(np.uint8)
    dark = (textured() // 8).astype(np.uint8)

    assert [kind for kind, _, _ in checked(ordinary + moving(20, bright))] == ["overexposed"]
    assert [kind for kind, _, _ in checked(ordinary + moving(20, dark))] == ["underexposed"]


def test_a_dark_picture_with_lights_in_it_is_meant_to_be_dark() -> None:
    night = (textured() // 8).astype(np.uint8)

    assert checked(moving(20, with_box(night, 60, 60, 40, 40, (220, 220, 220)))) == []


def test_a_blurred_scene_is_told() -> None:
    sharp = cv2.resize(still(clip("multi_face")), (SMALL_SIDE, SMALL_SIDE * 3 // 4), interpolation=cv2.INTER_AREA)
    scene = np.asarray(sharp, np.uint8)

    soft = [blurred(each, 6) for each in moving(20, scene)]

    assert checked(moving(20, scene)) == []
    assert [kind for kind, _, _ in checked(moving(10, scene) + soft)] == ["blur"]


@pytest.mark.parametrize("name", ["bikes", "world", "single_face_video", "trailer_bbb"])
def test_real_pictures_are_sharp_and_blurred_copies_of_them_are_not(name: str) -> None:
    picture = frame(clip(name), 40)
    size = (SMALL_SIDE, round(SMALL_SIDE * picture.shape[0] / picture.shape[1]))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    soft = blurred(grey, 5)

    assert blur(grey) < 0.55 < blur(soft)
    assert sharpness(grey) > sharpness(soft) + 1


def test_measures_say_how_much_moves_and_how_bright_it_is() -> None:
    checks = PictureChecks(RATE)
    first, second = (checks.look(look)[0] for look in looks([flat(51), with_box(flat(51), 0, 0, 128, 192, (204,) * 3)]))

    assert (first.motion, first.sharpness, first.brightness) == (0.0, 0.0, pytest.approx(0.2))
    assert (second.motion, second.brightness) == (pytest.approx(0.5), pytest.approx(0.5))
