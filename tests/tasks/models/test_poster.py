from pathlib import Path

import pytest

from tasks.models.faces import find_faces
from tasks.models.poster import PosterImage, choose_poster, face_sharpness, picture_sharpness
from tasks.models.store import ModelStore
from tests.fakes.clips import clip
from tests.fakes.pictures import Picture, blurred, frame, plain, still


@pytest.fixture(scope="session")
def centerface(models: ModelStore) -> Path:
    return models.path("centerface")


def candidates(*pictures: tuple[Picture, float]) -> list[PosterImage]:
    return [PosterImage(image, float(i), score) for i, (image, score) in enumerate(pictures)]


def test_a_whole_sharp_face_wins_over_a_somewhat_prettier_picture(centerface: Path) -> None:
    face, street = frame(clip("single_face_video"), 20), frame(clip("bikes"), 100)

    verdict = choose_poster(candidates((street, 0.7), (face, 0.5)), centerface)

    assert verdict.index == 1
    assert verdict.face_count == 1
    assert verdict.sharpness > 0.5
    assert verdict.reason == "The best of 2 frames: it shows a face that is whole and sharp."


def test_a_blurred_face_loses_to_no_face(centerface: Path) -> None:
    face, street = blurred(still(clip("single_face")), 8), frame(clip("bikes"), 100)

    verdict = choose_poster(candidates((face, 0.5), (street, 0.4)), centerface)

    assert (verdict.index, verdict.face_count) == (1, 0)
    assert "no face in any of them is both whole and sharp" in verdict.reason


def test_a_blurred_face_loses_to_the_same_face_sharp(centerface: Path) -> None:
    face = still(clip("multi_face"))

    verdict = choose_poster(candidates((blurred(face, 5), 0.6), (face, 0.6)), centerface)

    assert (verdict.index, verdict.face_count) == (1, 5)
    assert verdict.reason == "The best of 2 frames: it shows 5 faces, the largest whole and sharp."


def test_a_face_cut_in_half_loses_to_a_whole_one(centerface: Path) -> None:
    face = still(clip("single_face"))
    half = face[:, face.shape[1] // 2 :]

    assert choose_poster(candidates((half, 0.6), (face, 0.6)), centerface).index == 1


def test_without_faces_the_score_of_the_picture_decides(centerface: Path) -> None:
    tower, mountain = still(clip("tower")), still(clip("mountain"))

    verdict = choose_poster(candidates((tower, 0.5), (mountain, 0.6), (tower, 0.6)), centerface)

    assert (verdict.index, verdict.face_count) == (1, 0)
    assert verdict.reason.endswith("no face was found in any of them.")


def test_without_a_face_model_the_pictures_alone_decide() -> None:
    face, street = still(clip("single_face")), frame(clip("bikes"), 100)

    verdict = choose_poster(candidates((face, 0.4), (street, 0.5)), None)

    assert (verdict.index, verdict.face_count) == (1, 0)
    assert verdict.reason.endswith("faces were not looked for.")


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (64, 64)])
def test_a_single_tiny_or_black_frame_is_chosen_all_the_same(centerface: Path, size: tuple[int, int]) -> None:
    verdict = choose_poster(candidates((plain(*size), 0.0)), centerface)

    assert (verdict.index, verdict.sharpness) == (0, 0)
    assert verdict.reason == "It is the only frame there is to choose."


@pytest.mark.parametrize("name", ["single_face", "multi_face"])
def test_sharpness_falls_with_blur(centerface: Path, name: str) -> None:
    image = still(clip(name))
    (face, *_) = find_faces(image, centerface)

    faces = [face_sharpness(blurred(image, sigma) if sigma else image, face) for sigma in (0, 2, 4, 8)]
    pictures = [picture_sharpness(blurred(image, sigma) if sigma else image) for sigma in (0, 2, 4, 8)]

    assert faces == sorted(faces, reverse=True)
    assert pictures == sorted(pictures, reverse=True)
    assert faces[0] > 0.5 > faces[-1]
