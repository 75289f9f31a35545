from pathlib import Path

import pytest

from data.domain.errors import ModelMissingError
from tasks.models.faces import FaceBox, find_faces
from tasks.models.store import ModelStore
from tests.fakes.clips import clip
from tests.fakes.pictures import Picture, frame, plain, resized, still


@pytest.fixture(scope="session")
def centerface(models: ModelStore) -> Path:
    return models.path("centerface")


def assert_inside(faces: tuple[FaceBox, ...], image: Picture) -> None:
    height, width = image.shape[:2]
    for face in faces:
        assert 0 <= face.left < face.left + face.width <= width
        assert 0 <= face.top < face.top + face.height <= height
        assert 0 < face.score <= 1


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.25, 0.1])
def test_one_face_is_found_where_it_is_at_any_size(centerface: Path, factor: float) -> None:
    image = resized(still(clip("single_face")), factor)

    (face,) = find_faces(image, centerface)

    assert_inside((face,), image)
    assert face.is_whole
    middle = (face.left + face.width / 2) / image.shape[1], (face.top + face.height / 2) / image.shape[0]
    assert middle == pytest.approx((0.495, 0.487), abs=0.03)  # looked at
    assert face.width / image.shape[1] == pytest.approx(0.33, abs=0.05)


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.25])
def test_every_face_of_a_group_is_found(centerface: Path, factor: float) -> None:
    image = resized(still(clip("multi_face")), factor)

    faces = find_faces(image, centerface)

    assert len(faces) == 5
    assert all(face.is_whole for face in faces)
    assert_inside(faces, image)
    assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)


@pytest.mark.parametrize(("name", "number"), [("carphone_pristine", 30), ("single_face_video", 20), ("face_noface", 5)])
def test_a_face_in_a_video_is_found(centerface: Path, name: str, number: int) -> None:
    assert len(find_faces(frame(clip(name), number), centerface)) == 1


@pytest.mark.parametrize("name", ["mountain", "cheetah", "tower"])
def test_no_face_is_found_where_there_is_none(centerface: Path, name: str) -> None:
    assert find_faces(still(clip(name)), centerface) == ()


@pytest.mark.parametrize(("name", "number"), [("no_face_video", 20), ("bikes", 100), ("world", 300), ("a", 60)])
def test_no_face_is_found_in_a_video_without_one(centerface: Path, name: str, number: int) -> None:
    assert find_faces(frame(clip(name), number), centerface) == ()


def test_a_face_cut_by_the_edge_is_not_whole(centerface: Path) -> None:
    image = still(clip("single_face"))
    half = image[:, image.shape[1] // 2 :]

    (face,) = find_faces(half, centerface)

    assert not face.is_whole
    assert_inside((face,), half)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 500), (500, 1), (33, 31), (1920, 1080)])
def test_any_size_of_picture_is_taken(centerface: Path, size: tuple[int, int]) -> None:
    assert find_faces(plain(*size), centerface) == ()


def test_a_missing_model_is_an_error_that_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"python -m tasks\.models pull centerface"):
        find_faces(plain(10, 10), tmp_path)
