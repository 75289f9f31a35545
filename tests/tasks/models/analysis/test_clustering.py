import numpy as np
import pytest

from tasks.models.analysis.clustering import Appearances, cut, describe
from tasks.models.analysis.plan import Picture
from tasks.models.analysis.tracking import Tracked
from tests.fakes.looks import flat, with_box

RED, BLACK, BLUE = (40, 30, 200), (25, 25, 25), (180, 90, 30)


def at(track: int, left: float) -> Tracked:
    return Tracked(track, "moving", (left, 0.3, left + 0.1, 0.7), 0.9, 0.0)


def dressed(*coats: tuple[int, int, int]) -> Picture:
    picture = flat(150)
    for place, coat in enumerate(coats):
        picture = with_box(picture, 26 + 52 * place, 58, 26, 40, coat)
        picture = with_box(picture, 26 + 52 * place, 98, 26, 36, (60, 40, 40))
    return picture


def test_who_wears_the_same_is_one_group() -> None:
    looks = Appearances(1.0)
    looks.look(dressed(RED, BLACK, BLUE), [at(1, 0.1), at(2, 0.3), at(3, 0.5)], 0.0)
    looks.look(dressed(BLACK, RED), [at(4, 0.1), at(5, 0.3)], 5.0)

    assert looks.groups() == {1: 1, 2: 2, 3: 3, 4: 2, 5: 1}


def test_a_track_is_looked_at_when_its_turn_comes() -> None:
    looks = Appearances(2.0)
    for step in range(50):
        due = looks.due([at(1, 0.1)], step / 10)
        assert bool(due) == (step % 20 == 0)
        looks.look(dressed(RED if due else BLUE), due, step / 10)
    looks.look(dressed(RED), [at(2, 0.1)], 9.0)

    assert looks.groups() == {1: 1, 2: 1}


def test_one_track_is_a_group_of_its_own_and_none_is_none() -> None:
    looks = Appearances(1.0)
    assert looks.groups() == {}

    looks.look(dressed(RED), [at(7, 0.1)], 0.0)
    assert looks.groups() == {7: 1}


def test_what_is_too_small_is_not_described() -> None:
    assert cut(flat(100), (0.5, 0.5, 0.51, 0.51)) is None
    assert cut(flat(100), (0.95, 0.9, 1.0, 1.0)) is not None


def test_several_are_described_as_each_is_alone() -> None:
    scene = dressed(RED, BLACK, BLUE)
    crops = [crop for each in (at(1, 0.1), at(2, 0.3), at(3, 0.5)) if (crop := cut(scene, each.box)) is not None]

    together = describe(crops)

    assert together.shape[0] == 3
    assert [each.tobytes() for each in together] == [describe([crop]).tobytes() for crop in crops]
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=0.1)
