import cv2
import numpy as np

from tasks.models.analysis.camera import CameraGuard
from tasks.models.analysis.plan import Picture
from tests.fakes.looks import textured, with_box

RATE = 10.0


def grey(picture: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def test_a_camera_on_a_tripod_does_not_move() -> None:
    guard, scene = CameraGuard(RATE), textured()

    for step in range(40):
        guard.look(grey(with_box(scene, 6 * step, 60, 30, 80, (0, 0, 0))), 0.05)

        assert not guard.is_moving


def test_a_pan_is_noticed_and_so_is_its_end() -> None:
    guard, wide = CameraGuard(RATE), textured(700, 192)
    moving = []
    for step in range(30):
        guard.look(grey(wide[:, 4 * step : 4 * step + 256]), 0.3)
        moving.append(guard.is_moving)

    for _ in range(8):
        guard.look(grey(wide[:, 116:372]), 0.0)

    assert all(moving[1:])
    assert not guard.is_moving


def test_a_zoom_is_noticed() -> None:
    guard, scene = CameraGuard(RATE), textured()
    for step in range(12):
        crop = scene[2 * step : 192 - 2 * step, 2 * step : 256 - 2 * step]
        guard.look(grey(np.asarray(cv2.resize(crop, (256, 192)), np.uint8)), 0.3)

    assert guard.is_moving
