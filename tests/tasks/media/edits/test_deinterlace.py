from pathlib import Path

import numpy as np
import pytest

from tests.fakes.footage import Rendered, edited, keeps_its_promise, make_clip

FIELDS = "smptebars=s=128x96:r=50:d=1,scroll=h=0.04,interlace=lowpass=off"
MARKED = ("-c:v", "libx264", "-preset", "ultrafast", "-flags", "+ildct+ilme", "-x264-params", "tff=1", "-qp", "4")
UNMARKED = ("-vf", "setfield=prog", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4")


def combing(made: Rendered) -> float:
    """How much neighbouring lines differ, in the middle of the clip."""
    picture = made.pictures[10].astype(int)
    return float(np.abs(np.diff(picture, axis=0)).mean())


@pytest.mark.parametrize(
    ("options", "wish", "is_combed"),
    [
        (MARKED, "auto", False),
        (MARKED, "never", True),
        (MARKED, "always", False),
        (UNMARKED, "auto", True),
        (UNMARKED, "always", False),
    ],
)
def test_fields_become_whole_pictures_where_they_are_to(
    tmp_path: Path, options: tuple[str, ...], wish: str, is_combed: bool
) -> None:
    source = make_clip(tmp_path / "clip.mkv", f"{FIELDS},format=yuv420p", None, *options)

    made, shape = edited(source, {"deinterlace": wish})

    assert keeps_its_promise(made, shape)
    assert (combing(made) > 5) == is_combed
