from pathlib import Path

import numpy as np
import pytest

from data.domain.edits import CropOptions
from data.domain.errors import EditImpossibleError
from tasks.media.edits import crop
from tests.fakes.footage import edited, keeps_its_promise, make_clip
from tests.fakes.shapes import shape_of

QUARTER = {"left": 0.5, "top": 0.5, "width": 0.5, "height": 0.5}


@pytest.mark.parametrize("size", ["320x180", "321x181"])
def test_what_is_left_is_that_part_of_the_picture(tmp_path: Path, size: str) -> None:
    source = make_clip(tmp_path / "clip.mkv", f"testsrc2=s={size}:r=25:d=0.2,format=yuv444p", None, "-c:v", "ffv1")
    whole, _ = edited(source, {"deinterlace": "never"})

    made, shape = edited(source, {"crop": QUARTER})

    assert keeps_its_promise(made, shape)
    assert shape.size == (160, 90)
    difference = np.abs(made.pictures.astype(int) - whole.pictures[:, 90:180, 160:320])
    assert difference.mean() < 1


def test_nothing_is_cut_off_by_default() -> None:
    assert crop.outcome(CropOptions(), shape_of(640, 270)).size == (640, 270)


def test_a_crop_that_leaves_hardly_anything_is_refused_with_its_numbers() -> None:
    with pytest.raises(EditImpossibleError, match="leaves 6x180 of 320x180 pixels") as refused:
        crop.outcome(CropOptions(left=0.5, width=0.02), shape_of(320, 180))

    assert (refused.value.facts["width"], refused.value.facts["source_width"]) == (6, 320)


def test_a_tiny_source_may_be_cropped_along_its_other_side() -> None:
    assert crop.outcome(CropOptions(width=0.5), shape_of(640, 2)).size == (320, 2)
