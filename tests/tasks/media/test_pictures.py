"""What comes out is a plain PNG, upright, with opacity, whatever kind of picture went in."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.media.pictures import LONGEST_SIDE, write_plain_picture
from tests.fakes.clips import clip


def plain(source: Path, folder: Path) -> Image.Image:
    size = write_plain_picture(source, folder / "plain.png")
    with Image.open(folder / "plain.png") as picture:
        picture.load()
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", size)
    assert not picture.info
    return picture


@pytest.mark.parametrize(
    ("mode", "name"), [("RGB", "a.jpg"), ("CMYK", "a.jpg"), ("L", "a.png"), ("P", "a.png"), ("1", "a.png"),
                       ("LA", "a.png"), ("RGBA", "a.webp"), ("I;16", "a.png")],
)  # fmt: skip
def test_every_mode_keeps_its_light(mode: str, name: str, tmp_path: Path) -> None:
    grey = Image.linear_gradient("L")
    grey = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    grey.save(tmp_path / name, **({"quality": 95} if name.endswith("jpg") else {}))

    pixels = np.asarray(plain(tmp_path / name, tmp_path))

    assert pixels[..., 3].min() == 255
    assert pixels[20, :, :3].mean() < 80 < 170 < pixels[235, :, :3].mean()


def test_opacity_stays(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (10, 20, 30, 40)).save(tmp_path / "a.png")

    assert plain(tmp_path / "a.png", tmp_path).getpixel((3, 3)) == (10, 20, 30, 40)


def test_of_a_moving_picture_the_first_counts(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    first.save(tmp_path / "a.webp", save_all=True, append_images=[second], lossless=True)

    assert plain(tmp_path / "a.webp", tmp_path).getpixel((3, 3)) == (255, 0, 0, 255)


def test_a_large_one_becomes_smaller(tmp_path: Path) -> None:
    Image.new("L", (LONGEST_SIDE * 2, 100)).save(tmp_path / "a.png")

    assert plain(tmp_path / "a.png", tmp_path).size == (LONGEST_SIDE, 50)


def test_a_real_photograph_is_taken(tmp_path: Path) -> None:
    assert min(plain(clip("tower"), tmp_path).size) > 100
