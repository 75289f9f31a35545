from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from data.domain.errors import GenerationRejectedError
from tasks.models.faces import find_faces
from tasks.models.store import ModelStore
from tasks.providers.storyboard.canvas import Canvas, Frame
from tasks.providers.storyboard.pictures import Motion, Picture, PictureModels, read_picture
from tests.fakes.clips import clip

SHAPES = [Canvas(426, 240), Canvas(240, 426), Canvas(240, 240)]
MOTION = Motion(inward=True, pan_x=1.0, pan_y=0.3)


@pytest.fixture(scope="module")
def looking(models: ModelStore) -> PictureModels:
    return PictureModels(models.path("u2netp"), models.path("centerface"), 2)


def difference(one: Frame, other: Frame) -> float:
    return float(np.abs(one.astype(np.float32) - other).mean())


@pytest.mark.parametrize("canvas", SHAPES, ids=lambda canvas: f"{canvas.width}x{canvas.height}")
@pytest.mark.parametrize("name", ["cheetah", "tower", "mountain"])
def test_a_still_moves_slowly_and_fills_every_frame(looking: PictureModels, canvas: Canvas, name: str) -> None:
    picture = Picture(clip(name), canvas, looking, MOTION, 5.0)

    first, second, last = (picture.paint(at) for at in (0.0, 0.04, 5.0))
    assert first.shape == (canvas.height, canvas.width, 3)
    assert first.dtype == np.uint8
    assert difference(first, second) < 4 < 3 * difference(first, last) + 4
    assert difference(first, last) > difference(first, second)


@pytest.mark.parametrize("canvas", SHAPES, ids=lambda canvas: f"{canvas.width}x{canvas.height}")
def test_no_head_is_cut_off(looking: PictureModels, canvas: Canvas) -> None:
    large = Canvas(canvas.width * 2, canvas.height * 2)
    frame = Picture(clip("single_face"), large, looking, MOTION, 5.0).paint(2.5)

    (face, *_) = find_faces(frame, looking.faces)
    assert face.is_whole


def test_a_picture_is_read_upright_and_without_transparency(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.new("RGB", (40, 20), (255, 0, 0)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")

    assert read_picture(tmp_path / "turned.jpg").shape == (40, 20, 3)
    assert read_picture(tmp_path / "clear.png").min() == 255


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 64, b"GIF89a\xff\xff\xff\xff"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)

    with pytest.raises(GenerationRejectedError):
        read_picture(path)


def test_a_picture_bomb_is_refused_unopened(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    Image.new("1", (20_000, 9_500)).save(bomb)

    with pytest.raises(GenerationRejectedError):
        read_picture(bomb)


def test_grey_and_tiny_pictures_are_shown(looking: PictureModels, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "dot.png"), np.full((1, 1), 128, dtype=np.uint8))

    assert Picture(tmp_path / "dot.png", SHAPES[0], looking, MOTION, 3.0).paint(1.0).shape == (240, 426, 3)
