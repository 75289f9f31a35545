from collections.abc import Callable

import numpy as np
import pytest

from tasks.models.analysis.flicker import FlickerCheck
from tasks.models.analysis.plan import Picture
from tests.fakes.looks import flat, looks, textured

RATE = 30.0


def flashes(picture_at: Callable[[int], Picture], seconds: float = 3.0) -> list[tuple[float, float | None]]:
    check, count = FlickerCheck(), round(seconds * RATE)
    events = [event for look in looks((picture_at(step) for step in range(count)), RATE) for event in check.look(look)]
    return [(event.at_seconds, event.value) for event in events + check.end(seconds)]


def wave(per_second: float, low: int, high: int, share: float = 1.0) -> Callable[[int], Picture]:
    def picture_at(step: int) -> Picture:
        picture = flat(low)
        if int(step * 2 * per_second / RATE) % 2:
            picture[:, : round(256 * share)] = high
        return picture

    return picture_at


def test_five_flashes_a_second_are_too_many() -> None:
    ((at_seconds, lasting),) = flashes(wave(5, 20, 230))

    assert at_seconds == pytest.approx(0.1, abs=0.05)
    assert lasting is not None
    assert lasting > 2.5


@pytest.mark.parametrize("per_second", [1, 2, 3])
def test_three_flashes_a_second_are_not(per_second: float) -> None:
    assert flashes(wave(per_second, 20, 230)) == []


def test_flashes_in_a_corner_are_not() -> None:
    assert flashes(wave(8, 20, 230, share=0.2)) == []
    assert flashes(wave(8, 20, 230, share=0.3)) != []


def test_small_changes_are_not() -> None:
    assert flashes(wave(8, 100, 115)) == []  # less than a tenth of relative luminance


def test_bright_changes_are_not() -> None:
    assert flashes(wave(8, 235, 255)) == []  # the darker state is above 0.8


@pytest.mark.parametrize("pixels_each", [2, 6])
def test_a_picture_that_moves_is_not(pixels_each: int) -> None:
    wide = textured(1024, 192)

    assert flashes(lambda step: np.ascontiguousarray(wide[:, pixels_each * step :][:, :256])) == []


def test_a_few_flashes_within_a_second_end_as_one_event() -> None:
    ((at_seconds, lasting),) = flashes(lambda step: wave(10, 20, 230)(step) if 30 <= step < 60 else flat(20))

    assert at_seconds == pytest.approx(1.0, abs=0.1)
    assert lasting == pytest.approx(1.5, abs=0.5)
