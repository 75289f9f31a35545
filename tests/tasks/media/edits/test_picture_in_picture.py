"""The other clip is seen in its corner, frame by frame, from its time on, and never heard."""

from pathlib import Path

import numpy as np
import pytest

from data.domain.edits import PictureInPictureOptions
from data.domain.errors import EditImpossibleError
from tasks.media.edits.picture_in_picture import ROLE, applied, outcome, placed, shown_frames
from tasks.media.edits.watermark import Place
from tasks.media.measures import parse_log
from tests.fakes.screening import clip_input, footage_of, make_clip, seen

PLACE = Place(0, 36, 96, 54)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pip")
    make_clip(folder / "main.mkv", "testsrc2=s=160x90:r=25:d=1.6", "sine=440:d=1.6:r=48000")
    make_clip(folder / "other.mkv", "testsrc=s=96x54:r=25:d=0.6", "sine=880:d=0.6:r=48000")
    make_clip(folder / "long.mkv", "testsrc=s=96x54:r=25:d=3")
    return folder


@pytest.mark.parametrize(
    ("name", "start_seconds", "shown"), [("other", 0.48, 15), ("long", 0.48, 28), ("other", 0, 15)]
)
def test_its_frames_are_seen_in_its_corner_one_by_one(
    name: str, start_seconds: float, shown: int, folder: Path, tmp_path: Path
) -> None:
    options = PictureInPictureOptions(
        source="other", size=0.6, position="bottom_left", start_seconds=start_seconds, margin=0
    )
    footage, other = footage_of(folder / "main.mkv"), clip_input(folder / f"{name}.mkv")
    before, inside = seen(footage, tmp_path / "main.mkv"), seen(footage_of(other.path), tmp_path / "other.mkv")

    result = seen(applied(options, footage, other), tmp_path / "out.mkv")

    assert placed(options, footage.shape.size, (96, 54)) == PLACE
    assert outcome(options, footage.shape) == footage.shape
    assert shown_frames(options, footage.shape, other) == shown
    first = round(start_seconds * 25)
    corner = (slice(PLACE.top, PLACE.top + PLACE.height), slice(PLACE.left, PLACE.left + PLACE.width))
    for number, frame in enumerate(result.luma):
        is_shown = first <= number < first + shown
        expected = np.array(before.luma[number])
        if is_shown:
            expected[corner] = inside.luma[number - first]
        assert np.array_equal(frame, expected), number
    assert result.hertz(0.5, 1.5) == pytest.approx(440, abs=3)
    assert parse_log(result.log.splitlines()).counted[ROLE] >= shown


def test_one_that_begins_after_the_video_has_ended_is_refused(folder: Path) -> None:
    options = PictureInPictureOptions(source="other", start_seconds=2)

    with pytest.raises(EditImpossibleError, match=r"begins at 2 s, and the video ends at 1\.600 s"):
        outcome(options, footage_of(folder / "main.mkv").shape)


def test_a_tall_clip_in_a_wide_video_stays_within_it() -> None:
    place = placed(PictureInPictureOptions(source="other", size=1.0), (1920, 1080), (90, 160))

    assert place.top == 0
    assert (place.width, place.height) == (608, 1080)
