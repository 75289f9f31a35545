"""Clips one after the other: each frame in its place, an intro unchanged, sound wherever any clip has it."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from data.domain.edits import JoinOptions
from data.domain.errors import EditImpossibleError
from tasks.media.edits.footage import Shape
from tasks.media.edits.inputs import Input
from tasks.media.edits.join import OWN_PART, applied, fitted_size, outcome
from tasks.media.measures import parse_log
from tests.fakes.nasty_inputs import Canaries, build_nasty_input
from tests.fakes.screening import TOOLS, Seen, clip_input, footage_of, make_clip, seen

INTRO, OWN, OTHER = 25, 40, 30  # frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("join")
    make_clip(folder / "own.mkv", "testsrc2=s=160x90:r=25:d=1.6", "sine=440:d=1.6:r=48000")
    make_clip(folder / "own-silent.mkv", "testsrc2=s=160x90:r=25:d=1.6")
    make_clip(folder / "intro.mkv", "testsrc=s=160x90:r=25:d=1", "sine=880:d=1:r=44100")
    make_clip(folder / "intro-silent.mkv", "testsrc=s=160x90:r=25:d=1")
    make_clip(folder / "tall.mkv", "color=white:s=90x160:r=30:d=1.2", "sine=1320:d=1.2:r=48000")
    make_clip(folder / "short.mkv", "testsrc=s=160x90:r=25:d=0.04")
    return folder


@pytest.fixture(scope="module")
def inputs(folder: Path) -> dict[str, Input]:
    return {path.stem: clip_input(path) for path in folder.glob("*.mkv")}


def plain(path: Path, scratch: Path) -> Seen:
    return seen(footage_of(path), scratch / f"plain-{path.name}")


def joined(options: JoinOptions, own: Path, inputs: dict[str, Input], scratch: Path) -> Seen:
    footage = footage_of(own)
    after = applied(options, footage, inputs)
    assert after.shape == outcome(options, footage.shape, inputs)
    return seen(after, scratch / "out.mkv")


def test_hard_cuts_keep_every_frame_of_every_clip(folder: Path, inputs: dict[str, Input], tmp_path: Path) -> None:
    options = JoinOptions(intro="intro", append=("tall",), outro="intro")

    result = joined(options, folder / "own.mkv", inputs, tmp_path)

    intro, own = plain(folder / "intro.mkv", tmp_path), plain(folder / "own.mkv", tmp_path)
    assert len(result.luma) == INTRO + OWN + OTHER + INTRO
    assert np.array_equal(result.luma[:INTRO], intro.luma)
    assert np.array_equal(result.luma[INTRO : INTRO + OWN], own.luma)
    assert np.array_equal(result.luma[-INTRO:], intro.luma)
    assert [result.hertz(at, at + 0.4) for at in (0.1, 1.2, 3.0, 4.2)] == pytest.approx([880, 440, 1320, 880], abs=5)
    counted = parse_log(result.log.splitlines()).counted
    assert (counted["edit.join.intro"], counted[OWN_PART], counted["edit.join.append.0"]) == (INTRO, OWN, OTHER)


def test_a_clip_of_another_shape_is_whole_with_black_beside_it(
    folder: Path, inputs: dict[str, Input], tmp_path: Path
) -> None:
    result = joined(JoinOptions(outro="tall"), folder / "own.mkv", inputs, tmp_path)

    outro = result.luma[OWN + 5]
    assert outro[:, :54].max() <= 17
    assert outro[:, 106:].max() <= 17
    assert outro[:, 56:104].min() >= 230


def test_a_cross_fade_blends_both_frame_by_frame(folder: Path, inputs: dict[str, Input], tmp_path: Path) -> None:
    fade = 10
    options = JoinOptions(intro="intro", outro="intro", cross_fade_seconds=0.4)

    result = joined(options, folder / "own.mkv", inputs, tmp_path)

    intro, own = plain(folder / "intro.mkv", tmp_path), plain(folder / "own.mkv", tmp_path)
    assert len(result.luma) == INTRO + OWN + INTRO - 2 * fade
    assert np.array_equal(result.luma[: INTRO - fade], intro.luma[:-fade])
    assert np.array_equal(result.luma[INTRO : INTRO + OWN - 2 * fade], own.luma[fade:-fade])
    middle = (intro.luma[INTRO - fade // 2].astype(float) + own.luma[fade // 2]) / 2
    assert np.abs(result.luma[INTRO - fade // 2] - middle).max() <= 2
    assert result.level(0.78, 0.82) == pytest.approx(0.0625 * 2**-0.5, rel=0.15)  # half of each, out of step


@pytest.mark.parametrize(
    ("own", "intro", "expected"),
    [
        ("own", "intro", [0.0625, 0.0625]),
        ("own", "intro-silent", [0, 0.0625]),
        ("own-silent", "intro", [0.0625, 0]),
        ("own-silent", "intro-silent", None),
    ],
)
@pytest.mark.parametrize("cross_fade_seconds", [0, 0.2])
def test_there_is_sound_where_any_clip_has_it(
    own: str,
    intro: str,
    expected: list[float] | None,
    cross_fade_seconds: float,
    folder: Path,
    inputs: dict[str, Input],
    tmp_path: Path,
) -> None:
    options = JoinOptions(intro=intro, cross_fade_seconds=cross_fade_seconds)

    result = joined(options, folder / f"{own}.mkv", inputs, tmp_path)

    if expected is None:
        assert result.sound is None
    else:
        assert [result.level(0.1, 0.7), result.level(1.1, 1.4)] == pytest.approx(expected, rel=0.02)


def test_a_single_frame_is_joined_too(folder: Path, inputs: dict[str, Input], tmp_path: Path) -> None:
    result = joined(JoinOptions(intro="short"), folder / "own-silent.mkv", inputs, tmp_path)

    assert np.array_equal(result.luma[1:], plain(folder / "own-silent.mkv", tmp_path).luma)


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(50)])
def test_the_length_is_known_to_the_frame_at_every_rate(
    rate: Fraction, inputs: dict[str, Input], tmp_path: Path
) -> None:
    own = make_clip(tmp_path / "own.mkv", f"testsrc2=s=64x36:r={rate}:d=1.2")

    for seconds in (0.0, 0.3):
        joined(JoinOptions(intro="intro", outro="tall", cross_fade_seconds=seconds), own, inputs, tmp_path)


def test_a_clip_shorter_than_its_cross_fades_is_refused_by_name(inputs: dict[str, Input]) -> None:
    shape = Shape((160, 90), Fraction(25), OWN, has_sound=True)

    with pytest.raises(EditImpossibleError, match=r"edit\.join\.intro lasts 1\.000 s: too short .* 1 s at its end"):
        outcome(JoinOptions(intro="intro", cross_fade_seconds=1), shape, inputs)
    with pytest.raises(EditImpossibleError, match=r"own part lasts 1\.600 s: too short .* 0\.8 s at both"):
        outcome(JoinOptions(intro="intro", outro="intro", cross_fade_seconds=0.8), shape, inputs)


@pytest.mark.parametrize(
    ("own", "room", "fitted"),
    [
        ((1920, 1080), (1920, 1080), (1920, 1080)),
        ((1280, 720), (1920, 1080), (1920, 1080)),
        ((1920, 1088), (1920, 1080), (1906, 1080)),
        ((1921, 1081), (1920, 1080), (1920, 1080)),
        ((90, 160), (160, 90), (50, 90)),
    ],
)
def test_a_clip_fills_the_picture_as_far_as_its_form_allows(
    own: tuple[int, int], room: tuple[int, int], fitted: tuple[int, int]
) -> None:
    assert fitted_size(own, room) == fitted


@pytest.mark.parametrize(
    ("name", "cross_fade_seconds"),
    [
        ("rotated", 0.12),
        ("odd-size-4:4:4", 0),
        ("variable-rate", 0.12),
        ("hlg", 0),
        ("no-sound", 0.12),
        ("one-frame", 0),
        ("5.1", 0.12),
        ("interlaced", 0),
    ],
)
def test_every_kind_of_clip_is_joined_to_the_frame(
    name: str, cross_fade_seconds: float, folder: Path, tmp_path: Path
) -> None:
    nasty = build_nasty_input(name, tmp_path, TOOLS.ffmpeg, Canaries("http://127.0.0.1:9/", tmp_path / "canary"))
    inputs = {"clip": clip_input(nasty.path)}
    options = JoinOptions(intro="clip", outro="clip", cross_fade_seconds=cross_fade_seconds)

    joined(options, folder / "own.mkv", inputs, tmp_path)
