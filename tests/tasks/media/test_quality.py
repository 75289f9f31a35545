import subprocess
from pathlib import Path

import pytest

from data.domain.recipes import Recipe
from tasks.media.process import Progress
from tasks.media.quality import Trial, is_capped, nearest_trial, next_crf, sample_starts, staged
from tasks.media.tools import find_tools
from tests.fakes.packages import make_package
from tests.fakes.vmaf import vmaf

SMALL_RUNG: dict[str, object] = {"name": "64p", "short_side": 64, "max_kbps": 200}


def linear(crf: float) -> float:
    return 120 - 1.2 * crf


def curved(crf: float) -> float:
    return 98 - 0.02 * (crf - 8) ** 2


def search(target: float, vmaf_of: object, max_kbps: float = 1e6) -> list[Trial]:
    assert callable(vmaf_of)
    trials: list[Trial] = []
    while (crf := next_crf(trials, target, max_kbps, first=23)) is not None:
        trials.append(Trial(crf, vmaf_of(crf), kbps=50_000 / crf))
    return trials


@pytest.mark.parametrize("shape", [linear, curved])
@pytest.mark.parametrize("target", [80, 88, 93])
def test_the_setting_is_found_in_four_trials(shape: object, target: float) -> None:
    trials = search(target, shape)

    assert len(trials) <= 4
    assert abs(nearest_trial(trials, target).vmaf - target) <= 1


def test_what_is_near_at_once_is_taken_at_once() -> None:
    assert [trial.crf for trial in search(linear(23), linear)] == [23]


def test_a_target_beyond_reach_ends_at_the_end_of_the_scale() -> None:
    trials = search(99, lambda crf: 90 - crf / 10)

    assert nearest_trial(trials, 99).crf == 10
    assert len(trials) <= 4


def test_at_the_cap_nothing_more_is_tried() -> None:
    trials = search(95, linear, max_kbps=2000)

    assert len(trials) == 1
    assert is_capped(trials[0], 95, 2000)
    assert not is_capped(trials[0], 80, 2000)


def test_samples_are_spread_evenly_and_short_films_are_taken_whole() -> None:
    assert sample_starts(60) == (6.75, 21.75, 36.75, 51.75)
    assert sample_starts(6) == (0.0,)


def test_a_part_of_the_work_goes_from_one_share_to_another() -> None:
    told: list[float | None] = []
    tell = staged(lambda progress: told.append(progress.share), 0.25, 0.75)
    assert tell is not None

    for share in (0.0, 0.5, 1.0):
        tell(Progress(out_seconds=1, frame_count=1, frames_per_second=1, speed=1, share=share))

    assert told == [0.25, 0.5, 0.75]
    assert staged(None, 0, 1) is None


def sought(codec: str, rungs: list[dict[str, object]]) -> Recipe:
    video = {"codec": codec, "preset": "ultrafast", "target_vmaf": 88, "ladder": {"rungs": rungs}}
    return Recipe.parse({"video": video})


@pytest.mark.parametrize("codec", ["h264", pytest.param("av1", marks=pytest.mark.slow)])
def test_the_whole_encode_is_as_good_as_was_asked_for(codec: str, photographed: Path, tmp_path: Path) -> None:
    recipe = sought(codec, [{"name": "180p", "short_side": 180, "max_kbps": 3000}])
    package, _, _ = make_package(photographed, tmp_path, recipe)

    (rung,) = package.renditions
    found = vmaf(tmp_path / "scratch" / "rung-180p.mp4", photographed, (320, 180), tmp_path)
    assert found == pytest.approx(88, abs=1.5)
    assert rung.predicted_vmaf == pytest.approx(88, abs=1)
    assert rung.crf is not None
    assert package.notes[0].startswith(f"180p: CRF {rung.crf:g} for a VMAF of {rung.predicted_vmaf:.1f}, after")


def test_the_cap_holds_whatever_quality_was_asked_for(photographed: Path, tmp_path: Path) -> None:
    recipe = sought("h264", [{"name": "180p", "short_side": 180, "max_kbps": 60}])
    package, _, _ = make_package(photographed, tmp_path, recipe)

    (rung,) = package.renditions
    assert rung.predicted_vmaf is not None
    assert rung.predicted_vmaf < 86
    assert rung.average_kbps < 100
    assert "held down by its bitrate cap" in package.notes[0]


@pytest.mark.parametrize("size", ["16x16", "320x16"])
def test_what_is_too_small_to_be_measured_is_encoded_all_the_same(size: str, tmp_path: Path) -> None:
    source = tmp_path / "tiny.mp4"
    command = [find_tools().ffmpeg, "-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d=0.4"]
    subprocess.run([*command, "-c:v", "libx264", "-pix_fmt", "yuv420p", source], check=True, timeout=60)

    package, _, _ = make_package(source, tmp_path / "made", sought("h264", [SMALL_RUNG]))

    assert package.notes == ("Quality could not be measured on samples of this source: the recipe's CRF was used.",)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_single_frame_can_be_measured(codec: str, tmp_path: Path) -> None:
    source = tmp_path / "frame.mp4"
    command = [find_tools().ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=128x72:r=25", "-frames:v", "1"]
    subprocess.run([*command, "-c:v", "libx264", "-pix_fmt", "yuv420p", source], check=True, timeout=60)

    package, _, _ = make_package(source, tmp_path / "made", sought(codec, [SMALL_RUNG]))

    assert package.renditions[0].predicted_vmaf is not None


def test_nobody_measures_where_no_vmaf_is_named(photographed: Path, tmp_path: Path) -> None:
    package, _, _ = make_package(photographed, tmp_path)

    assert {(rendition.crf, rendition.predicted_vmaf) for rendition in package.renditions} == {(None, None)}
    assert not list((tmp_path / "scratch").glob("trial-*"))
