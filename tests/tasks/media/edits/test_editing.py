"""All edits at once, and whole packages of them."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from data.domain.assets import SourceFacts
from data.domain.edits import EditOptions
from data.domain.errors import CorruptInputError, EditImpossibleError, TruncatedInputError
from data.domain.publications import GateReport, Package
from data.domain.recipes import GateOptions, Recipe
from tasks.media.checks import check_candidate
from tasks.media.edits.editing import NO_INPUTS, EditPlan, plan_edits
from tasks.media.plan import plan_encode
from tasks.media.tools import find_tools
from tests.fakes.footage import edited, keeps_its_promise, make_clip
from tests.fakes.packages import SMALL, make_package
from tests.fakes.source_facts import source_facts

MANY = {
    "trim": {"start_seconds": 0.52, "end_seconds": 2.52},
    "crop": {"left": 0.25, "width": 0.5},
    "rotate": {"degrees": 90},
    "speed": 1.25,
    "canvas": {"aspect_ratio": "1:1", "pad_rgb": "#102030"},
    "fade": {"in_seconds": 0.2, "out_seconds": 0.2},
    "loudness": {"target_lufs": -18},
}
SOUND = "anoisesrc=c=pink:a=0.2:r=48000:d=3:seed=3"


def planned(raw: dict[str, object]) -> EditPlan:
    return plan_edits(EditOptions.model_validate(raw), source_facts(), NO_INPUTS, 60)


def judged(package: Package, facts: SourceFacts, directory: Path) -> GateReport:
    scratch = directory.parent / "gate"
    scratch.mkdir()
    return check_candidate(directory, package, facts, GateOptions(), tools=find_tools(), scratch=scratch)


def with_edits(raw: dict[str, object]) -> Recipe:
    return SMALL.with_overrides({"edit": raw})


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("editing")
    return make_clip(folder / "clip.mkv", "testsrc2=s=320x180:r=25:d=3", SOUND)


def test_every_edit_works_on_what_the_one_before_it_left() -> None:
    plan = planned(MANY)

    assert plan.source.size == (1920, 1080)
    assert plan.own.size == (1080, 1080)
    assert (plan.own.frame_rate, plan.own.frame_count) == (25, 40)
    assert planned({"trim": {"start_seconds": 0.4}}).skipped_frames == 0
    assert planned({"trim": {"start_seconds": 10}}).skipped_frames == 238


def test_what_does_not_fit_together_is_refused_although_each_alone_would() -> None:
    with pytest.raises(EditImpossibleError, match=r"do not fit into 1\.000 s"):
        planned({"trim": {"end_seconds": 2}, "speed": 2, "fade": {"in_seconds": 1, "out_seconds": 1}})


def test_containers_without_an_index_are_read_from_their_beginning() -> None:
    facts = source_facts().model_copy(update={"container": "mpegts"})

    plan = plan_edits(EditOptions.model_validate({"trim": {"start_seconds": 10}}), facts, NO_INPUTS, 60)

    assert plan.skipped_frames == 0


@pytest.mark.parametrize(
    ("picture", "codec"),
    [
        ("testsrc2=s=641x271:r=30000/1001:d=1,format=yuv444p", ("-c:v", "ffv1")),
        ("testsrc2=s=180x180:r=25:d=1,setsar=2", ("-c:v", "ffv1")),
        ("testsrc2=s=64x48:r=25:d=0.04", ("-c:v", "ffv1")),
        ("testsrc2=s=128x96:r=50:d=1,select='not(between(n,5,30))'", ("-fps_mode", "vfr", "-c:v", "ffv1")),
        ("testsrc2=s=128x96:r=120:d=1,format=gbrp", ("-c:v", "ffv1")),
    ],
)
def test_unusual_sources_are_ordinary(tmp_path: Path, picture: str, codec: tuple[str, ...]) -> None:
    source = make_clip(tmp_path / "clip.mkv", picture, None, *codec)

    made, shape = edited(
        source,
        {
            "crop": {"left": 0.1, "top": 0.1, "width": 0.8, "height": 0.8},
            "rotate": {"degrees": 270, "flip": "horizontal"},
            "speed": 0.5,
            "canvas": {"aspect_ratio": "4:3", "short_side": 64},
            "fade": {"in_seconds": 0.04},
        },
    )

    assert keeps_its_promise(made, shape)
    assert min(shape.size) <= 64


def test_several_edits_at_once_make_a_package_that_the_gate_lets_pass(clip: Path, tmp_path: Path) -> None:
    package, facts, directory = make_package(clip, tmp_path, with_edits(MANY))

    assert package.duration_seconds == pytest.approx(1.6)
    assert [(item.width, item.height, item.frame_count) for item in package.renditions] == [
        (180, 180, 40),
        (144, 144, 40),
    ]
    assert package.measures.loudness_lufs == pytest.approx(-18, abs=0.5)
    assert package.edit is not None
    assert package.edit.duration_seconds == package.duration_seconds
    assert "LUFS" in package.edit.notes[-1]
    checks = {check.name: check for check in judged(package, facts, directory).checks}
    assert {check.outcome for check in checks.values()} == {"passed"}
    assert "against what its edits promised" in checks["duration"].detail


def test_a_muted_package_has_no_sound_and_passes_the_gate(clip: Path, tmp_path: Path) -> None:
    raw = {"sound": {"mode": "mute"}, "loudness": {"target_lufs": -14}}

    package, facts, directory = make_package(clip, tmp_path, with_edits(raw))

    assert package.audio is None
    assert package.measures.silence_share is None
    assert not judged(package, facts, directory).refusals
    assert package.edit is not None
    assert package.edit.notes == ("Its sound was taken away.", "There is no sound whose loudness could be set.")


def test_an_impossible_edit_takes_no_encode_slot(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(EditImpossibleError, match="begins at 9 s"):
        make_package(clip, tmp_path, with_edits({"trim": {"start_seconds": 9}}), slot=lambda: pytest.fail("a slot"))


def test_a_truncated_source_is_noticed_where_its_kept_part_is_affected(tmp_path: Path) -> None:
    options = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-movflags", "+faststart")
    whole = make_clip(tmp_path / "whole.mp4", "testsrc2=s=320x180:r=25:d=6", None, *options)
    _, facts, _ = make_package(whole, tmp_path / "facts", with_edits({"trim": {"end_seconds": 0.2}}))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    package, _, _ = make_package(cut, tmp_path / "early", with_edits({"trim": {"end_seconds": 2}}), facts=facts)

    assert package.duration_seconds == 2
    with pytest.raises(TruncatedInputError):
        make_package(cut, tmp_path / "across", with_edits({"trim": {"start_seconds": 2}}), facts=facts)
    with pytest.raises(CorruptInputError):  # there is no picture at all
        make_package(cut, tmp_path / "after", with_edits({"trim": {"start_seconds": 5}}), facts=facts)


def test_nothing_is_upscaled_by_an_edit() -> None:
    recipe = Recipe.parse({"edit": {"crop": {"left": 0.4, "width": 0.2}}})

    plan = plan_encode(source_facts(), recipe)

    assert plan.edits is not None
    assert plan.edits.whole.size == (384, 1080)
    assert [(rung.width, rung.height) for rung in plan.rungs] == [(384, 1080), (240, 674)]


def test_pictures_are_made_small_before_edits_that_count_no_pixels() -> None:
    large = source_facts(3840, 2160)

    assert plan_encode(large, Recipe.parse({"edit": {"fade": {"in_seconds": 1}}})).working_size == (1920, 1080)
    assert plan_encode(large, Recipe.parse({"edit": {"rotate": {"degrees": 90}}})).working_size == (1920, 1080)
    assert plan_encode(large, Recipe.parse({"edit": {"crop": {"width": 0.5}}})).working_size == (3840, 2160)


def test_the_plan_is_that_of_the_edited_video() -> None:
    recipe = Recipe.parse({"edit": {"trim": {"start_seconds": 10, "end_seconds": 20}, "speed": 2}})

    plan = plan_encode(source_facts(frame_rate="50"), recipe)

    assert (plan.frame_rate, plan.frame_count) == (Fraction(50), 250)
    assert plan.tiles.step_frames == 50
    assert plan.has_sound


def test_the_digest_tells_edits_apart() -> None:
    assert planned({"speed": 2}).digest == planned({"speed": 2}).digest
    assert planned({"speed": 2}).digest != planned({"speed": 3}).digest


def test_picture_and_sound_stay_together_through_edits(tmp_path: Path) -> None:
    picture = "color=black:s=64x48:r=25:d=3,drawbox=t=fill:color=white:enable='eq(n,50)'"
    sound = "aevalsrc='if(between(t,2,2.04),sin(2*PI*1000*t),0)':s=48000:d=3"
    source = make_clip(tmp_path / "clip.mkv", picture, sound, "-c:v", "ffv1", "-c:a", "pcm_s16le")

    made, shape = edited(source, {"trim": {"start_seconds": 1.2}, "speed": 0.5})

    seen = int(np.argmax(made.luma > 100)) / float(shape.frame_rate)
    assert made.sound is not None
    heard = float(np.argmax(np.abs(made.sound[:, 0]) > 0.2)) / 48_000
    assert seen == pytest.approx(1.6, abs=0.041)
    assert heard == pytest.approx(1.6, abs=0.06)  # a stretched sound is made of overlapping pieces of 40 ms
