"""Where the subject is and where the window looks, on composed clips whose truth is known, and on a real one.

The way the camera's motion is taken out was made with these photos and seeds 0, 1, 11 and 12; others were new to it.
"""

from fractions import Fraction
from typing import Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.media.camera import camera_path
from tasks.models.cutout import saliency
from tasks.models.faces import Picture, find_faces
from tasks.models.store import ModelStore
from tasks.models.survey import Cuts, SurveyModels, SurveyPlan, survey
from tests.fakes.clips import clip
from tests.fakes.looks import flat, textured, with_box

SIZE = WIDTH, HEIGHT = 640, 360
WINDOW = 81 / 256  # 9:16 of 16:9
RATE, COUNT = 12, 84
Path = Literal["walks", "stops"]


@pytest.fixture(scope="module")
def looking(models: ModelStore) -> SurveyModels:
    return SurveyModels(models.path("centerface"), models.path("u2netp"), threads=2)


def cut_out(name: str, height: int, looking: SurveyModels) -> tuple[Picture, NDArray[np.float32]]:
    """What stands out in a photo, and its opacity."""
    assert looking.saliency is not None
    image = cv2.imread(str(clip(name)))
    mask = saliency(image, looking.saliency, 2)
    rows, columns = (np.flatnonzero((mask > 0.5).any(axis=axis)) for axis in (1, 0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    size = (round(image[part].shape[1] * height / image[part].shape[0]), height)
    return cv2.resize(image[part], size), np.clip((cv2.resize(mask[part], size) - 0.35) / 0.4, 0, 1)


def places(path: Path, seed: int) -> NDArray[np.float64]:
    """Where the subject's middle is in each frame (0–1): it crosses the picture, or goes, rests and goes elsewhere."""
    draw = np.random.default_rng(seed)
    if path == "walks":
        return np.linspace(0.12, 0.88, COUNT)[:: -1 if draw.random() < 0.5 else 1]
    found: list[float] = []
    here = draw.uniform(0.15, 0.85)
    while len(found) < COUNT:
        there = draw.uniform(0.15, 0.85)
        share = np.linspace(0, 1, int(draw.uniform(0.8, 1.6) * RATE))
        found += [here] * int(draw.uniform(1, 2.5) * RATE)
        found += list(here + (there - here) * share * share * (3 - 2 * share))
        here = there
    return np.array(found[:COUNT])


def frames(subject: tuple[Picture, NDArray[np.float32]], ground: str, path: NDArray[np.float64]) -> list[Picture]:
    """The subject over a photo, along which the camera pans where the ground's name says so."""
    image, alpha = subject
    height, width = alpha.shape
    pans = ground.startswith("pan ")
    photo = cv2.resize(cv2.imread(str(clip(ground.removeprefix("pan ")))), (WIDTH + 200, HEIGHT))
    draw = np.random.default_rng(0)
    made = []
    for index, place in enumerate(path):
        shift = 200 * index // COUNT if pans else 100
        frame = photo[:, shift : shift + WIDTH].astype(np.float32)
        left = round(place * WIDTH - width / 2)
        start, end = max(0, left), min(WIDTH, left + width)
        part = frame[HEIGHT - 10 - height : HEIGHT - 10, start:end]
        strength = alpha[:, start - left : end - left, None]
        part += (image[:, start - left : end - left] - part) * strength
        frame += draw.normal(0, 2, (HEIGHT, WIDTH, 1))
        made.append(np.clip(frame, 0, 255).astype(np.uint8))
    return made


def window_path(pictures: list[Picture], looking: SurveyModels) -> NDArray[np.float64]:
    found = survey(pictures, SurveyPlan(looking, Fraction(RATE), 0.5, axis=0), lambda count: None)
    return camera_path(found.glances, found.cuts, found.frame_count, RATE, WINDOW)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 31])
@pytest.mark.parametrize("path", ["walks", "stops"])
@pytest.mark.parametrize("ground", ["tower", "mountain", "pan mountain", "pan tower"])
def test_a_subject_without_a_face_stays_in_the_window(
    ground: str, path: Path, seed: int, looking: SurveyModels
) -> None:
    where = places(path, seed)
    pictures = frames(cut_out("cheetah", 110, looking), ground, where)

    window = window_path(pictures, looking)

    assert float(np.mean(np.abs(where - window) <= WINDOW / 2)) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("ground", ["tower", "pan tower", "pan mountain"])
def test_a_face_stays_in_the_window_whatever_stands_out_behind_it(ground: str, looking: SurveyModels) -> None:
    where = places("stops", 13)
    pictures = frames(cut_out("single_face", 150, looking), ground, where)

    window = window_path(pictures, looking)

    assert float(np.mean(np.abs(where - window) <= WINDOW / 2)) >= 0.95


def test_only_the_subject_moving_is_not_taken_for_the_camera(looking: SurveyModels) -> None:
    """Nothing but the subject has corners here, and nothing else moves."""
    without_saliency = SurveyModels(looking.faces)
    where = np.linspace(0.12, 0.88, COUNT)
    draw = np.random.default_rng(5)
    thing = np.asarray(cv2.resize(draw.integers(0, 255, (9, 9, 3)).astype(np.uint8), (90, 90)))
    pictures = []
    for place in where:
        picture = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
        left = round(place * WIDTH - 45)
        picture[200:290, left : left + 90] = thing
        pictures.append(picture)

    window = window_path(pictures, without_saliency)

    assert float(np.mean(np.abs(where - window) <= WINDOW / 2)) >= 0.95


@pytest.mark.slow
def test_a_man_who_moves_while_he_talks_stays_in_the_window(looking: SurveyModels) -> None:
    capture = cv2.VideoCapture(str(clip("carphone_pristine")))
    pictures: list[Picture] = []
    while (read := capture.read())[0]:
        pictures.append(np.asarray(cv2.resize(read[1], SIZE, interpolation=cv2.INTER_AREA), dtype=np.uint8))
    capture.release()
    pictures = pictures[:110:2]

    window = window_path(pictures, looking)

    seen = [(place, find_faces(picture, looking.faces)) for place, picture in zip(window, pictures, strict=True)]
    inside = [abs((faces[0].left + faces[0].width / 2) / WIDTH - place) <= WINDOW / 2 for place, faces in seen if faces]
    assert len(inside) > 50
    assert float(np.mean(inside)) >= 0.95


@pytest.mark.parametrize("together", [1, 4, 7])
def test_cuts_are_found_in_frames_by_the_handful(together: int) -> None:
    scenes = [textured(64, 48, seed=1), flat(0, 64, 48), textured(64, 48, seed=2)]
    frames = [with_box(scene, step, 10, 8, 8, (0, 0, 255)) for scene in scenes for step in range(15)]
    alone, handfuls = Cuts(Fraction(10)), Cuts(Fraction(10))

    for number, picture in enumerate(frames):
        alone.look(number, picture)
    for start in range(0, len(frames), together):
        handful = frames[start : start + together]
        handfuls.look_together(range(start, start + len(handful)), np.concatenate(handful))

    assert handfuls.found == alone.found == [15, 30]
