from pathlib import Path

import numpy as np
import pytest

from data.domain.edits import CanvasOptions
from tasks.media.edits import canvas
from tests.fakes.footage import edited, keeps_its_promise, make_clip
from tests.fakes.shapes import shape_of


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        ((640, 360), {"aspect_ratio": "1:1"}, (640, 640)),
        ((640, 360), {"aspect_ratio": "1:1", "fit": "crop"}, (360, 360)),
        ((360, 640), {"aspect_ratio": "16:9"}, (1138, 640)),
        ((360, 640), {"aspect_ratio": "16:9", "fit": "crop"}, (360, 202)),
        ((640, 270), {"aspect_ratio": "9:16", "fit": "crop"}, (152, 270)),
        ((640, 360), {"short_side": 180}, (320, 180)),
        ((640, 360), {"short_side": 720}, (640, 360)),
        ((640, 360), {"aspect_ratio": "1:1", "short_side": 320}, (320, 320)),
        ((640, 360), {"aspect_ratio": "16:9"}, (640, 360)),
        ((640, 270), {"aspect_ratio": "16:9", "short_side": 144}, (256, 144)),
        ((640, 360), {}, (640, 360)),
    ],
)
def test_a_canvas_has_the_shape_that_was_asked_for_and_enlarges_nothing(
    size: tuple[int, int], options: dict[str, object], expected: tuple[int, int]
) -> None:
    plan = canvas.layout(CanvasOptions.model_validate(options), size)

    assert plan.canvas == expected
    assert all(pixels % 2 == 0 for pair in (plan.window, plan.picture, plan.canvas) for pixels in pair)
    assert all(seen <= there for seen, there in zip(plan.picture, plan.window, strict=True))
    assert all(seen <= there for seen, there in zip(plan.picture, plan.canvas, strict=True))


def test_bars_have_their_colour_and_the_picture_stands_in_the_middle(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mp4", "testsrc2=s=160x90:r=25:d=0.2")
    whole, _ = edited(source, {})

    made, shape = edited(source, {"canvas": {"aspect_ratio": "1:1", "pad_rgb": "#E08030"}})

    assert keeps_its_promise(made, shape)
    assert shape.size == (160, 160)
    for bar in (made.pictures[:, :32], made.pictures[:, -32:]):
        assert bar.reshape(-1, 3).mean(axis=0) == pytest.approx([0x30, 0x80, 0xE0], abs=4)
    assert np.abs(made.pictures[:, 34:124].astype(int) - whole.pictures).mean() < 1


def test_the_middle_of_the_picture_fills_the_canvas(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mp4", "testsrc2=s=160x90:r=25:d=0.2")
    whole, _ = edited(source, {})

    made, shape = edited(source, {"canvas": {"aspect_ratio": "1:1", "fit": "crop"}})

    assert keeps_its_promise(made, shape)
    assert np.abs(made.pictures.astype(int) - whole.pictures[:, :, 34:124]).mean() < 2


def test_a_smaller_canvas_holds_the_same_picture(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mp4", "smptebars=s=320x180:r=25:d=0.08")
    whole, _ = edited(source, {})

    made, shape = edited(source, {"canvas": {"short_side": 90}})

    assert keeps_its_promise(made, shape)
    assert np.abs(made.pictures.astype(int) - whole.pictures[:, ::2, ::2]).mean() < 4


def test_a_shape_that_is_there_already_stays_as_it_is() -> None:
    options = CanvasOptions(aspect_ratio="16:9")

    assert canvas.outcome(options, shape_of(1918, 1080)).size == (1918, 1080)
