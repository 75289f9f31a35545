import numpy as np
import pytest

from tasks.media.hiding import CELLS, SHADES, Area, HideMethod, hide

AREA = Area(80, 60, 160, 160)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (240, 320, 3), dtype=np.uint8)


@pytest.mark.parametrize("method", ["blur", "pixelate"])
def test_nothing_of_the_detail_is_left_and_nothing_else_is_touched(method: HideMethod) -> None:
    before = noise(1)
    after = before.copy()

    hide(after, AREA, method)

    inside = after[60:160, 80:160].astype(float)
    assert np.corrcoef(inside.ravel(), before[60:160, 80:160].ravel())[0, 1] < 0.3
    assert inside.std() < 30
    assert np.array_equal(after[:, 220:], before[:, 220:])


@pytest.mark.parametrize("method", ["blur", "pixelate"])
def test_two_faces_with_the_same_coarse_colours_come_out_the_same(method: HideMethod) -> None:
    """What is drawn depends on a few rounded colours alone, so nothing else can be computed back from it."""
    flat = np.full((240, 320, 3), 120, dtype=np.uint8)
    striped = flat.copy()
    striped[::2, :, :] = 116
    striped[1::2, :, :] = 124

    hide(flat, AREA, method)
    hide(striped, AREA, method)

    assert np.array_equal(flat[70:150, 90:150], striped[70:150, 90:150])
    assert CELLS <= 6
    assert SHADES <= 16


def test_an_area_that_sticks_out_of_the_picture_is_hidden_as_far_as_it_is_in_it() -> None:
    picture = noise(2)

    hide(picture, Area(-30, -30, 40, 40), "blur")
    hide(picture, Area(400, 400, 500, 500), "blur")

    assert picture[:40, :40].astype(float).std() < 30
