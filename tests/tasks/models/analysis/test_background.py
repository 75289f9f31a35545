import cv2
import numpy as np
import pytest

from tasks.media.frames import Planes
from tasks.models.analysis.background import Background
from tasks.models.analysis.plan import Picture
from tests.fakes.looks import flat, textured, with_box

RATE = 10.0


def planes(picture: Picture) -> Planes:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)


def learnt(picture: Picture, seconds: float = 4.0) -> Background:
    background = Background(RATE, planes(picture))
    for _ in range(round(seconds * RATE)):
        background.foreground(planes(picture))
    return background


def share(background: Background, picture: Picture) -> float:
    return float(np.mean(background.foreground(planes(picture)) > 0))


@pytest.mark.parametrize("size", [(256, 192), (256, 106), (64, 48)])
def test_what_was_not_there_is_foreground_where_it_is(size: tuple[int, int]) -> None:
    scene = textured(*size)

    mask = learnt(scene).foreground(planes(with_box(scene, 20, 16, 16, 24, (0, 0, 255))))

    assert mask.shape == scene.shape[:2]
    assert cv2.boundingRect(mask) == (20, 16, 16, 24)


def test_a_shadow_is_background_and_a_dark_coat_is_not() -> None:
    background = learnt(flat(160))

    assert share(background, with_box(flat(160), 40, 40, 64, 64, (110, 110, 110))) == 0
    assert share(background, with_box(flat(160), 40, 40, 64, 64, (60, 60, 60))) > 0.08
    assert share(background, with_box(flat(160), 40, 40, 64, 64, (160, 90, 90))) > 0.08


def test_noise_is_learnt_where_it_is() -> None:
    random, scene = np.random.default_rng(3), flat(120)

    def noisy() -> Picture:
        picture = scene.astype(np.int16)
        picture[:, :128] += random.normal(0, 5, (192, 128, 1)).round().astype(np.int16)
        return np.clip(picture, 0, 255).astype(np.uint8)

    background = Background(RATE, planes(noisy()))
    for _ in range(100):
        background.foreground(planes(noisy()))

    assert share(background, noisy()) < 0.001
    assert share(background, with_box(noisy(), 160, 40, 32, 32, (132, 132, 132))) == pytest.approx(
        1024 / 49152, rel=0.1
    )


def test_who_stands_for_long_becomes_background_and_leaves_no_hole() -> None:
    scene = textured()
    standing = with_box(scene, 100, 60, 24, 64, (0, 0, 255))
    background = learnt(scene, 30)

    shares = [share(background, standing) for _ in range(100)]

    assert min(shares[:20]) > 0.02
    assert max(shares[60:]) == 0
    assert share(background, scene) == 0


def test_who_walks_off_in_the_beginning_leaves_no_ghost() -> None:
    scene, coat = textured(seed=1), textured(48, 64, seed=2)
    background: Background | None = None
    for step in range(20):
        picture = scene.copy()
        picture[60:124, 40 + 8 * step : 88 + 8 * step] = coat[:, : 256 - 40 - 8 * step]
        background = background or Background(RATE, planes(picture))
        mask = background.foreground(planes(picture))
        if step > 4:
            assert np.count_nonzero(mask[:, : 8 + 8 * step]) < 100  # where it was four frames ago
            assert np.count_nonzero(mask[60:124, 40 + 8 * step : 88 + 8 * step]) > 1500
