from itertools import pairwise
from typing import Literal

import pytest

from data.domain.generations import Reference
from tasks.providers.storyboard.matching import assign, words_of_name


def reference(name: str, kind: Literal["image", "video"] = "image") -> Reference:
    return Reference(name=name, key=name, kind=kind)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("running-cheetah_02.jpg", "running cheetah"),
        ("EiffelTower.JPG", "Eiffel Tower"),
        ("IMG_2041.jpg", ""),
        ("Screenshot 2026-01-01.png", ""),
        ("../x/7.png", ""),
    ],
)
def test_a_name_says_what_its_words_say(name: str, words: str) -> None:
    assert words_of_name(name) == words


def test_a_scene_shows_what_it_speaks_of() -> None:
    tower, cat = reference("eiffel_tower.jpg"), reference("big-cat.png")

    shown = assign(["The cheetah is the fastest animal.", "Paris is proud of its iron landmark."], [tower, cat])

    assert shown == (cat, tower)


def test_everything_is_shown_once_even_without_a_telling_name() -> None:
    files = [reference("IMG_1.jpg"), reference("IMG_2.jpg")]

    shown = assign(["One thing.", "Another thing.", "A third.", "A fourth."], files)

    assert [entry.name for entry in shown if entry] == ["IMG_1.jpg", "IMG_2.jpg"]
    assert shown.count(None) == 2


def test_scenes_are_cards_where_nothing_is_left_to_show() -> None:
    assert assign(["One.", "Two."], []) == (None, None)


def test_the_same_picture_never_stands_beside_itself() -> None:
    cat = reference("cat.jpg")

    shown = assign(["The cat sleeps."] * 3, [cat])

    assert all(not (left and left is right) for left, right in pairwise(shown))


def test_more_files_than_scenes_are_no_error() -> None:
    assert len(assign(["One."], [reference(f"IMG_{n}.jpg") for n in range(9)])) == 1
