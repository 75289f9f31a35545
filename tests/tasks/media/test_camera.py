import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.media.camera import Glance, bump, camera_path

RATE = 25.0
WINDOW = 0.316  # 9:16 of 16:9


def path_of(places: NDArray[np.float64], cuts: tuple[int, ...] = (), step: int = 5) -> NDArray[np.float64]:
    """The camera's path for a subject that is at a place (0–1) in each frame and is looked at every few frames."""
    glances = [Glance(frame, bump(float(places[frame]), 0.06)) for frame in range(0, len(places), step)]
    return camera_path(glances, cuts, len(places), RATE, WINDOW)


def share_inside(places: NDArray[np.float64], path: NDArray[np.float64]) -> float:
    return float(np.mean(np.abs(places - path) <= WINDOW / 2))


def test_a_subject_that_walks_through_the_picture_stays_in_the_window() -> None:
    places = np.linspace(0.1, 0.9, 200)

    path = path_of(places)

    assert share_inside(places, path) == 1.0
    assert np.abs(np.diff(path, 2)).max() < 0.002  # it neither jerks nor stops short


def test_a_subject_that_sways_does_not_move_the_camera() -> None:
    places = 0.5 + 0.03 * np.sin(np.arange(250) / 6)

    assert np.ptp(path_of(places)) < 1e-6


def test_noise_in_what_is_found_does_not_shake_the_camera() -> None:
    places = np.clip(0.4 + np.random.default_rng(3).normal(0, 0.03, 250), 0, 1)

    assert np.ptp(path_of(places)) < np.ptp(places) / 4


def test_at_a_cut_the_camera_jumps_and_does_not_swing() -> None:
    places = np.where(np.arange(200) < 100, 0.25, 0.75)

    path = path_of(places, cuts=(100,))

    assert np.ptp(path[:100]) < 1e-6
    assert np.ptp(path[100:]) < 1e-6
    assert path[100] - path[99] > 0.4


def test_the_window_never_leaves_the_picture() -> None:
    path = path_of(np.linspace(0.0, 1.0, 100))

    assert path.min() >= WINDOW / 2
    assert path.max() <= 1 - WINDOW / 2


def test_without_anything_to_see_it_stays_in_the_middle() -> None:
    assert camera_path([], (), 50, RATE, WINDOW) == pytest.approx(np.full(50, 0.5))
    nothing = [Glance(0, np.zeros(96)), Glance(20, np.zeros(96))]
    assert camera_path(nothing, (), 40, RATE, WINDOW) == pytest.approx(np.full(40, 0.5), abs=0.02)
