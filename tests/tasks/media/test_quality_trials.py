import subprocess
from pathlib import Path

import pytest

from data.domain.recipes import Recipe
from tasks.media.codecs import H264
from tasks.media.plan import plan_encode
from tasks.media.process import Limits
from tasks.media.quality_trials import QualitySearch
from tasks.media.tools import find_tools
from tests.fakes.packages import make_package
from tests.fakes.source_facts import source_facts
from tests.fakes.vmaf import vmaf

SMALL_RUNG: dict[str, object] = {"name": "64p", "short_side": 64, "max_kbps": 200}


def sought(codec: str, rungs: list[dict[str, object]]) -> Recipe:
    video = {"codec": codec, "preset": "ultrafast", "target_vmaf": 88, "ladder": {"rungs": rungs}}
    return Recipe.parse({"video": video})


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["h264", "av1"])
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


def test_samples_are_taken_from_the_part_that_is_kept(tmp_path: Path) -> None:
    facts, recipe = source_facts(duration_seconds=60), Recipe()
    search = QualitySearch(
        Path("/clip.mp4"),
        facts,
        plan_encode(facts, recipe),
        H264,
        "veryfast",
        23,
        tmp_path,
        find_tools(),
        Limits(),
        2,
        between_seconds=(30.0, 42.0),
    )

    built = search.samples_arguments(tmp_path / "samples.nut")

    starts = [float(built[place + 1]) for place, name in enumerate(built) if name == "-ss"]
    assert starts == [30.75, 33.75, 36.75, 39.75]
