import subprocess
from pathlib import Path

import pytest
from PIL import Image

from data.domain.ladders import RenditionSpec
from data.domain.recipes import GateOptions, PreviewOptions
from tasks.media.checks import check_candidate
from tasks.media.plan import PlannedRung
from tasks.media.preview import MOST_BYTES, Snippet, frame_count, preview_rung, preview_snippets, write_preview
from tasks.media.tools import find_tools
from tests.fakes.packages import SMALL, make_package


def rung(width: int, height: int) -> PlannedRung:
    spec = RenditionSpec(name=f"{height}p", short_side=height, max_kbps=1000)
    return PlannedRung(spec, width, height)


def test_a_short_video_is_shown_whole() -> None:
    assert preview_snippets([1.0], 2.5, 3) == (Snippet(0.0, 2.5),)


def test_the_best_frames_are_shown_in_order_of_time() -> None:
    assert preview_snippets([50, 10, 10.4, 30, 20], 60, 3) == (Snippet(9.5, 1), Snippet(29.5, 1), Snippet(49.5, 1))


def test_nothing_is_shown_beyond_the_ends_or_twice() -> None:
    assert preview_snippets([60, 0], 60, 3) == (Snippet(0, 1), Snippet(9.833, 1), Snippet(59, 1))


def test_a_second_is_not_cut_into_three() -> None:
    assert preview_snippets([10], 60, 0.9) == (Snippet(9.55, 0.9),)


def test_the_lowest_rung_that_is_wide_enough_is_used() -> None:
    rungs = (rung(1280, 720), rung(640, 360), rung(256, 144))

    assert preview_rung(rungs, 320).width == 640
    assert preview_rung(rungs, 200).width == 256
    assert preview_rung(rungs, 2000).width == 1280


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_a_preview_moves_is_small_and_passes_the_gate(kind: str, photographed: Path, tmp_path: Path) -> None:
    recipe = SMALL.with_overrides({"preview": {"format": kind, "seconds": 1.5, "width": 160, "fps": 10}})
    package, facts, directory = make_package(photographed, tmp_path, recipe)

    assert package.preview_path == f"preview.{kind}"
    path = directory / package.preview_path
    assert package.files[package.preview_path] == path.stat().st_size < MOST_BYTES
    with Image.open(path) as picture:
        assert (picture.format, picture.size, picture.info["loop"]) == (kind.upper(), (160, 90), 0)
    assert frame_count(path) in range(14, 18)  # snippets do not begin by the preview's clock
    gate = check_candidate(directory, package, facts, GateOptions(), tools=find_tools(), scratch=tmp_path)
    assert gate.refusals == ()

    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    gate = check_candidate(directory, package, facts, GateOptions(), tools=find_tools(), scratch=tmp_path)
    assert [check.name for check in gate.refusals] == ["images"]


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_of_a_single_frame_the_preview_is_a_still(kind: str, photographed: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.mp4"
    command = [find_tools().ffmpeg, "-v", "error", "-i", photographed, "-frames:v", "1"]
    subprocess.run([*command, "-c:v", "libx264", "-preset", "ultrafast", one], check=True, timeout=60)

    package, _, directory = make_package(one, tmp_path / "made", SMALL.with_overrides({"preview.format": kind}))

    assert package.preview_path is not None
    assert frame_count(directory / package.preview_path) == 1


def test_a_preview_that_stays_too_large_is_not_made(photographed: Path, tmp_path: Path) -> None:
    target = tmp_path / "preview.gif"
    is_there = write_preview(
        PreviewOptions(format="gif", fps=25),
        rung(320, 180),
        photographed,
        [Snippet(0, 1)],
        target,
        tools=find_tools(),
        log_path=tmp_path / "log",
        most_bytes=1000,
    )

    assert not is_there
    assert not target.exists()


def test_what_is_no_picture_has_no_frames(tmp_path: Path) -> None:
    (tmp_path / "preview.gif").write_text("GIF89a, says the text")

    assert frame_count(tmp_path / "preview.gif") == 0
