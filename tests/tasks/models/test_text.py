"""Text in the picture: titles of our own on real clips, and real titles."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from data.domain.findings import SeenText, TextBox
from tasks.media.process import run_ffmpeg
from tasks.media.sampling import SampledFrame, sampled_frames
from tasks.media.tools import find_tools
from tasks.models.text import ReadLine, TextTracker, read_texts
from tests.fakes.clips import clip
from tests.fakes.word_errors import word_error_rate

BOX = TextBox(left=0.1, top=0.8, width=0.5, height=0.1)


def title(text: str, first: float, last: float, y: str) -> str:
    style = "fontsize=48:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=12:x=60"
    return f"drawtext=text='{text}':{style}:y={y}:enable='between(t,{first},{last})'"


@pytest.fixture(scope="module")
def titled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of bicycles with two titles, one after the other."""
    folder = tmp_path_factory.mktemp("titled")
    titles = ",".join((title("Jane Doe, Amsterdam", 0, 2.9, "h-120"), title("Bicycles every morning", 3.5, 6, "80")))
    target = folder / "titled.mp4"
    arguments = ["-t", "6", "-i", str(clip("bikes")), "-vf", f"scale=-2:480,{titles}", "-an"]
    run_ffmpeg(
        [*arguments, "-c:v", "libx264", "-preset", "ultrafast", str(target)],
        tools=find_tools(),
        log_path=folder / "log",
    )
    return target


@pytest.fixture(scope="module")
def lines(titled: Path) -> tuple[SeenText, ...]:
    found, _ = read_texts(sampled_frames(titled, 0.5), 6.0, interval_seconds=2.0, min_confidence=0.8, threads=1)
    return found


def line(lines: tuple[SeenText, ...], words: str) -> SeenText:
    (found,) = [each for each in lines if word_error_rate(each.text, words) <= 0.34]
    return found


def test_titles_are_read_once_with_place_and_time(lines: tuple[SeenText, ...]) -> None:
    first, second = line(lines, "Jane Doe, Amsterdam"), line(lines, "Bicycles every morning")

    assert (first.text, second.text) == ("Jane Doe, Amsterdam", "Bicycles every morning")
    assert first.box.top > 0.6 > second.box.top
    assert first.start_seconds == 0.0
    assert first.end_seconds == pytest.approx(3.0, abs=1.5)
    assert second.start_seconds == pytest.approx(3.5, abs=2.1)
    assert second.end_seconds == 6.0


@pytest.mark.slow
def test_the_titles_of_a_real_trailer_are_read() -> None:
    found, read = read_texts(
        sampled_frames(clip("trailer_bbb"), 0.5), 55.0, interval_seconds=4.0, min_confidence=0.75, threads=2
    )

    said = [each.text for each in found]
    assert read < 45
    for words in ("An unlucky bird", "A (slightly overweight) bunny", "And three rodent pests"):
        assert words in said


def test_a_picture_that_does_not_change_is_read_once_and_its_text_lasts() -> None:
    reads: list[int] = []

    def read(image: np.ndarray) -> list[ReadLine]:
        reads.append(1)
        return [ReadLine("Standing still", BOX, 0.9)]

    tracker = TextTracker(read, interval_seconds=2.0)
    for second in range(20):
        tracker.look(SampledFrame(float(second), np.full((90, 160, 3), 80, np.uint8)))

    (found,) = tracker.lines(20.0)
    assert len(reads) == 1
    assert (found.start_seconds, found.end_seconds) == (0.0, 19.5)


def test_a_line_that_is_misread_or_missed_once_is_still_one_line() -> None:
    said = iter(["Evening News", "Evening Ncws", None, "Evening News at ten"])
    moving = np.random.default_rng(3)

    def read(image: np.ndarray) -> list[ReadLine]:
        text = next(said)
        return [ReadLine(text, BOX, 0.95)] if text else []

    tracker = TextTracker(read, interval_seconds=2.0)
    for second in range(0, 8, 2):
        tracker.look(SampledFrame(float(second), moving.integers(0, 255, (90, 160, 3), dtype=np.uint8)))

    assert [each.text for each in tracker.lines(8.0)] == ["Evening News at ten"]


def test_the_engine_says_nothing_and_needs_no_network(capfd: pytest.CaptureFixture[str]) -> None:
    picture = np.full((240, 640, 3), 30, np.uint8)
    cv2.putText(picture, "QUIET PLEASE", (40, 140), cv2.FONT_HERSHEY_SIMPLEX, 2, (255, 255, 255), 4)

    found, _ = read_texts([SampledFrame(0.0, picture)], 1.0, interval_seconds=1.0, min_confidence=0.5, threads=1)

    assert [each.text for each in found] == ["QUIET PLEASE"]
    assert capfd.readouterr() == ("", "")
