import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.media.tools import find_tools
from tests.fakes.footage import edited, keeps_its_promise, make_clip

NEAR = 1.0  # of 255: 4:2:0 chroma lies a little elsewhere in a turned picture


def meant(pictures: NDArray[np.uint8], degrees: int, flip: str) -> NDArray[np.uint8]:
    turned = np.rot90(pictures, -degrees // 90, axes=(1, 2))
    return {"none": turned, "horizontal": turned[:, :, ::-1], "vertical": turned[:, ::-1]}[flip]


@pytest.mark.parametrize("flip", ["none", "horizontal", "vertical"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_picture_is_turned_clockwise_and_then_mirrored(tmp_path: Path, degrees: int, flip: str) -> None:
    source = make_clip(tmp_path / "clip.mp4", "smptebars=s=96x64:r=25:d=0.08")
    whole, _ = edited(source, {})

    made, shape = edited(source, {"rotate": {"degrees": degrees, "flip": flip}})

    assert keeps_its_promise(made, shape)
    assert np.abs(made.pictures.astype(int) - meant(whole.pictures, degrees, flip)).mean() < NEAR


def test_a_clip_from_a_telephone_is_turned_from_upright(tmp_path: Path) -> None:
    plain = make_clip(tmp_path / "plain.mp4", "smptebars=s=96x64:r=25:d=0.08")
    turned = tmp_path / "turned.mp4"
    command = [find_tools().ffmpeg, "-v", "error", "-display_rotation", "90", "-i", plain, "-c", "copy", turned]
    subprocess.run(command, check=True, timeout=60)
    lying, _ = edited(plain, {})

    made, shape = edited(turned, {"rotate": {"degrees": 90}})

    assert shape.size == (96, 64)
    assert np.abs(made.pictures.astype(int) - lying.pictures).mean() < NEAR
