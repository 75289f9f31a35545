from itertools import pairwise
from pathlib import Path

import pytest

from data.domain.recipes import Codec, VideoOptions
from tasks.media.codecs import SOFTWARE
from tasks.media.hardware import chosen_encoder, hardware_encoders, trial_arguments, works
from tasks.media.tools import find_tools
from tests.fakes.packages import SMALL, make_package

CODECS: tuple[Codec, ...] = ("h264", "hevc", "av1", "vp9")


def trial(codec: Codec, name: str) -> tuple[str, ...]:
    encoder = next(each for each in hardware_encoders(codec) if each.name == name)
    return tuple(trial_arguments(encoder, "veryfast", sessions=3))


@pytest.mark.parametrize("codec", CODECS)
def test_without_a_card_no_trial_succeeds_and_software_is_taken(codec: Codec) -> None:
    if any(Path("/dev").glob("dri/render*")) or Path("/dev/nvidia0").exists():
        pytest.skip("this machine may have a hardware encoder")
    options = VideoOptions(codec=codec, encoder="auto")

    assert chosen_encoder(options, find_tools()) is SOFTWARE[codec]


@pytest.mark.parametrize("codec", CODECS)
def test_what_works_passes_the_trial(codec: Codec) -> None:
    assert works(find_tools().ffmpeg, tuple(trial_arguments(SOFTWARE[codec], "veryfast", sessions=2)))


def test_a_program_that_is_not_there_fails_the_trial() -> None:
    assert not works(Path("/nowhere/ffmpeg"), trial("h264", "h264_nvenc"))


def test_a_trial_encodes_two_frames_as_often_at_once_as_a_ladder_has_rungs() -> None:
    arguments = trial("h264", "h264_nvenc")

    assert arguments.count("h264_nvenc") == 3
    assert [value for name, value in pairwise(arguments) if name == "-frames:v"] == ["2"] * 3
    assert arguments.count("-force_key_frames") == 3


def test_pictures_are_brought_to_the_device_that_wants_them_there() -> None:
    arguments = trial("hevc", "hevc_vaapi")

    assert arguments[arguments.index("-init_hw_device") + 1] == "vaapi=gpu"
    graph = arguments[arguments.index("-filter_complex") + 1]
    assert graph.count("format=nv12") == graph.count("hwupload") == 3


@pytest.mark.parametrize("encoder", ["software", "auto"])
def test_a_package_notes_that_hardware_was_asked_for_and_not_there(
    encoder: str, photographed: Path, tmp_path: Path
) -> None:
    package, _, _ = make_package(photographed, tmp_path, SMALL.with_overrides({"video.encoder": encoder}))

    if package.tools.hardware_encoder is None:
        said = "No hardware encoder of h264 passed a trial on this machine: libx264 was used."
        assert package.notes == ((said,) if encoder == "auto" else ())
