"""A watermark lies where it should, as strong as it should, on every frame."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.domain.edits import Corner, WatermarkOptions
from tasks.media.edits.inputs import Input
from tasks.media.edits.watermark import Place, applied, draw_stamp, outcome, placed
from tests.fakes.screening import Seen, footage_of, make_clip, seen

WHITE = 235


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("grey") / "grey.mkv", "color=c=gray:s=322x182:r=25:d=0.4")


@pytest.fixture
def logo(tmp_path: Path) -> Input:
    """A white picture, twice as wide as high."""
    path = tmp_path / "logo.png"
    Image.new("RGBA", (100, 50), (255, 255, 255, 255)).save(path)
    return Input(path, "picture", "0" * 64, size=(100, 50))


def marked(options: WatermarkOptions, source: Path, logo: Input, scratch: Path) -> Seen:
    footage = footage_of(source)
    stamp = draw_stamp(options, footage.shape, logo, scratch / "stamp.png")
    after = applied(options, footage, stamp)
    assert after.shape == outcome(options, footage.shape)
    return seen(after, scratch / "out.mkv")


def changed(frame: np.ndarray, base: int) -> tuple[slice, slice]:
    """Return the smallest rectangle, in rows and columns, outside of which a grey frame is as it was."""
    rows, columns = np.nonzero(np.abs(frame.astype(int) - base) > 2)
    return slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)


@pytest.mark.parametrize(
    ("position", "left", "top"),
    [("top_left", 4, 4), ("bottom_right", 252, 144), ("centre", 128, 74), ("top", 128, 4), ("left", 4, 74)],
)
@pytest.mark.parametrize("opacity", [0.25, 1.0])
def test_it_lies_where_it_should_at_its_opacity(
    position: Corner, left: int, top: int, opacity: float, grey: Path, logo: Input, tmp_path: Path
) -> None:
    options = WatermarkOptions(source="logo", position=position, size=0.2, opacity=opacity)

    result = marked(options, grey, logo, tmp_path)

    base = int(result.luma[0, 90, 300]) if position != "bottom_right" else int(result.luma[0, 90, 0])
    for frame in (result.luma[0], result.luma[-1]):
        assert changed(frame, base) == (slice(top, top + 32), slice(left, left + 64))
        inside = frame[top + 2 : top + 30, left + 2 : left + 62].astype(float)
        assert np.abs(inside - (base + opacity * (WHITE - base))).max() <= 2


def test_a_transparent_part_leaves_the_video_as_it_is(grey: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    picture = Image.new("RGBA", (100, 50), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (50, 0, 100, 50))
    picture.save(path)
    options = WatermarkOptions(source="logo", position="top_left", size=0.2, opacity=1.0, margin=0)

    result = marked(options, grey, Input(path, "picture", "0" * 64, size=(100, 50)), tmp_path)

    base = int(result.luma[0, 90, 300])
    assert np.abs(result.luma[0, :32, :30].astype(int) - base).max() <= 2
    assert abs(int(result.luma[0, 16, 48]) - 32) <= 2  # blue in BT.709


def test_tiles_cover_all_of_an_odd_picture(tmp_path: Path, logo: Input) -> None:
    odd = make_clip(
        tmp_path / "odd.mkv",
        "color=c=gray:s=321x181:r=25:d=0.2",
        options=("-vf", "format=yuv444p", "-c:v", "libx264", "-qp", "0"),
    )
    options = WatermarkOptions(source="logo", size=0.1, opacity=0.5, tiled=True)

    result = marked(options, odd, logo, tmp_path)

    frame = result.luma[-1].astype(int)
    base = int(np.median(frame))
    marks = np.abs(frame - (base + 0.5 * (WHITE - base))) <= 2
    assert 0.2 < marks.mean() < 0.4
    for rows in np.array_split(marks, 3):
        for part in np.array_split(rows, 4, axis=1):
            assert part.any()


def test_a_texts_height_is_a_share_of_the_shorter_side() -> None:
    options = WatermarkOptions(text="Dailies", size=0.1, position="bottom", margin=0.05)

    assert placed(options, (1920, 1080), (800, 200)) == Place(744, 918, 432, 108)
    assert placed(options, (1080, 1920), (800, 200)).height == 108


def test_it_becomes_smaller_rather_than_reach_over_the_margin() -> None:
    options = WatermarkOptions(text="a long text", size=0.5, margin=0.1)

    place = placed(options, (400, 200), (2000, 100))

    assert (place.left, place.width) == (20, 360)


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280)])
def test_a_text_is_small_where_no_size_is_asked_for_and_a_picture_an_eighth_of_the_width(size: tuple[int, int]) -> None:
    text, picture = WatermarkOptions(text="© Dailies"), WatermarkOptions(source="logo")

    assert placed(text, size, (400, 100)).height == 28
    assert placed(picture, size, (400, 100)).width == pytest.approx(0.12 * size[0], abs=1)


def test_a_small_picture_is_enlarged_to_the_size_that_was_asked_for() -> None:
    assert placed(WatermarkOptions(source="logo", size=0.5), (1920, 1080), (10, 5)).width == 960
