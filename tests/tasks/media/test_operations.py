from fractions import Fraction

import numpy as np
import pytest

from tasks.media.operations import Crop, Window, crop_window, enlarged


@pytest.mark.parametrize(
    ("size", "ratio", "window"),
    [
        ((1920, 1080), Fraction(9, 16), Window((608, 1080), 0)),
        ((1080, 1920), Fraction(16, 9), Window((1080, 608), 1)),
        ((1280, 720), Fraction(1), Window((720, 720), 0)),
        ((608, 1080), Fraction(9, 16), None),
        ((640, 272), Fraction(9, 16), Window((154, 272), 0)),
    ],
)
def test_the_window_is_as_large_as_the_picture_allows(
    size: tuple[int, int], ratio: Fraction, window: Window | None
) -> None:
    assert crop_window(size, ratio) == window


def test_a_picture_is_enlarged_in_its_own_shape_or_not_at_all() -> None:
    assert enlarged((320, 180), 720) == (1280, 720)
    assert enlarged((176, 144), 720) == (880, 720)
    assert enlarged((1280, 720), 720) is None


def test_a_window_at_rest_cuts_the_very_pixels_out() -> None:
    picture = np.random.default_rng(1).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    crop = Crop(Window((50, 90), 0), np.full(3, 0.5))

    assert np.array_equal(crop(1, picture), picture[:, 55:105])


def test_a_window_that_moves_lies_between_pixels() -> None:
    ramp = np.tile(np.arange(160, dtype=np.uint8)[None, :, None], (90, 1, 3))
    centres = (80 + 0.25 * np.arange(9)) / 160
    crop = Crop(Window((50, 90), 0), centres)

    means = [float(crop(index, ramp)[:, 10:40].mean()) for index in range(9)]

    assert means[8] - means[0] == pytest.approx(2.0, abs=0.1)
    assert max(np.diff(means)) <= 0.75  # eighth bits round, whole pixels would jump by one and rest in between
