import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data.domain.assets import SourceFacts
from data.domain.edits import TrimOptions
from data.domain.errors import EditImpossibleError
from data.domain.publications import KeptPart, Package
from data.domain.recipes import GateOptions, Recipe
from tasks.media.boxes import read_segments
from tasks.media.checks import check_candidate
from tasks.media.conforming import Copied, Packet, read_packets
from tasks.media.keyframes import CutPlan, KeyframeCut, plan_cut
from tasks.media.playlists import media_playlist
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tests.fakes.packages import make_package

RATE = Fraction(24000, 1001)
RUNGS = [
    {"name": "90p", "short_side": 90, "max_kbps": 900},
    {"name": "64p", "short_side": 64, "max_kbps": 300},
]
RECIPE = Recipe.parse({"video": {"preset": "ultrafast", "segment_seconds": 1, "ladder": {"rungs": RUNGS}}})
BT709 = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
PICTURES = f"testsrc2=s=160x90:r=24000/1001:d=6.006,{BT709}"
SOUND = "aevalsrc='0.8*sin(2*PI*(100+50*t)*t)':s=48000:d=6.006"
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-sc_threshold", "0", "-g", "30", "-bf", "3")
AAC_PACKET_SECONDS = 1024 / 48_000
Make = Callable[..., Path]
Made = tuple[Package, SourceFacts, Path]


def cut_at(start: float, end: float | None = None, **more: object) -> Recipe:
    """A recipe that cuts at a keyframe."""
    trim = {"start_seconds": start, "end_seconds": end, "cut": "keyframe"}
    return RECIPE.with_overrides({"edit.trim": trim, **more})


def ffmpeg(*arguments: str | Path) -> bytes:
    command = [find_tools().ffmpeg, "-v", "error", "-nostdin", "-y", *arguments]
    return subprocess.run(command, check=True, timeout=60, capture_output=True).stdout


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a maker of 144 frames with B-frames, a keyframe at every 30th, and a tone that rises: options of x264."""
    folder = tmp_path_factory.mktemp("keyframes")

    def run(*options: str, name: str = "clip.mp4") -> Path:
        target = folder / name
        if not target.exists():
            inputs = ("-f", "lavfi", "-i", PICTURES, "-f", "lavfi", "-i", SOUND)
            ffmpeg(*inputs, *X264, *options, "-c:a", "aac", target)
        return target

    return run


def planned(source: Path, recipe: Recipe, folder: Path) -> CutPlan:
    tools = find_tools()
    return plan_cut(source, probe(source, tools), recipe, {}, tools=tools, scratch=folder, limits=Limits())


def hashes(video: Path, *options: str) -> list[str]:
    """A hash of each picture: as it is shown, or of its packets, with options that copy them."""
    told = ffmpeg("-i", video, "-map", "0:v", *options, "-f", "framemd5", "-").decode()
    return [line.rsplit(",", 1)[1].strip() for line in told.splitlines() if not line.startswith("#")]


def heard(video: Path) -> NDArray[np.float32]:
    told = ffmpeg("-i", video, "-map", "0:a", "-ac", "1", "-ar", "48000", "-f", "f32le", "-")
    return np.frombuffer(told, dtype=np.float32)


def heard_late(sound: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """By how many seconds a sound comes later than another."""
    length = 2 * max(len(sound), len(wanted))
    product = np.fft.rfft(sound, length) * np.conj(np.fft.rfft(wanted, length))
    place = int(np.argmax(np.fft.irfft(product)))
    return (place if place < length / 2 else place - length) / 48_000


def refused(made: Made, folder: Path) -> list[str]:
    """What the gate does not let pass."""
    package, facts, directory = made
    gate = check_candidate(directory, package, facts, GateOptions(), tools=find_tools(), scratch=folder)
    return [check.detail for check in gate.checks if check.outcome != "passed"]


@pytest.fixture(scope="module")
def part(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The part from 3 s to 4.2 s: its keyframe is the 60th frame."""
    return make_package(make(), tmp_path_factory.mktemp("part"), cut_at(3.0, 4.2))


def test_a_part_is_copied_from_the_keyframe_before_its_start(part: Made, make: Make, tmp_path: Path) -> None:
    package, _, directory = part
    top, low = package.renditions
    mp4 = directory / package.mp4_path

    assert (top.is_copy, low.is_copy) == (True, False)
    assert top.frame_count == low.frame_count
    end = 60 + top.frame_count
    assert hashes(mp4, "-c", "copy") == hashes(make(), "-c", "copy")[60:end]
    assert hashes(mp4) == hashes(make())[60:end]
    assert refused(part, tmp_path) == []


def test_a_copied_part_begins_at_zero_with_its_keyframe(part: Made, tmp_path: Path) -> None:
    package, _, directory = part

    packets = read_packets(directory / package.mp4_path, 0, tools=find_tools(), scratch=tmp_path)

    assert packets[0].is_key
    assert sorted(packet.at_seconds for packet in packets)[0] == 0
    for rendition in package.renditions:
        first, *parts = media_playlist((directory / rendition.playlist_path).read_text()).paths
        segments = read_segments(directory / first, [directory / each for each in parts])
        assert segments[0].start_seconds == 0
        assert all(segment.begins_with_keyframe for segment in segments)


def test_its_sound_is_what_the_source_says_at_that_time(part: Made, make: Make) -> None:
    package, _, directory = part
    made, first = heard(directory / package.mp4_path), round(60 / RATE * 48_000)

    late = heard_late(made, heard(make())[first : first + len(made)])

    assert abs(late) < AAC_PACKET_SECONDS


def test_what_was_kept_is_said_with_its_real_ends(part: Made) -> None:
    package, _, _ = part
    frames = package.renditions[0].frame_count
    assert package.edit is not None

    assert package.duration_seconds == float(frames / RATE)
    assert package.edit.kept == KeptPart(
        start_seconds=round(float(60 / RATE), 6), end_seconds=round(float((60 + frames) / RATE), 6), cut="keyframe"
    )
    assert 4.2 * RATE - 0.5 <= 60 + frames <= 4.2 * RATE + 4
    assert "It begins at the keyframe at 2.502 s, 0.498 s before the start asked for." in package.notes
    assert "90p is the source's own picture, not encoded again." in package.notes


def test_a_part_to_the_end_is_copied_to_the_end(make: Make, tmp_path: Path) -> None:
    rungs = {"rungs": RUNGS[:1]}
    package, _, directory = made = make_package(make(), tmp_path / "m", cut_at(5.1, None, **{"video.ladder": rungs}))

    assert [rendition.is_copy for rendition in package.renditions] == [True]
    assert hashes(directory / package.mp4_path) == hashes(make())[120:144]
    assert refused(made, tmp_path) == []


def test_a_sound_of_its_own_is_no_reason_to_encode(make: Make, tmp_path: Path) -> None:
    louder = {"edit.loudness.target_lufs": -20, "video.ladder": {"rungs": RUNGS[:1]}}

    package, _, _ = made = make_package(make(), tmp_path / "made", cut_at(3.0, 4.2, **louder))

    assert package.renditions[0].is_copy
    assert refused(made, tmp_path) == []


def test_where_pictures_are_changed_the_part_is_encoded_from_its_keyframe(make: Make, tmp_path: Path) -> None:
    recipe = cut_at(3.0, 4.2, **{"edit.rotate.flip": "horizontal"})

    found = planned(make(), recipe, tmp_path)

    assert found.copy == "the recipe changes its pictures"
    assert found.plan.edits is not None
    assert found.plan.edits.kept_seconds == (float(60 / RATE), float(round(4.2 * RATE) / RATE))


@pytest.mark.parametrize(
    ("name", "options", "start", "begins_at_frame", "reason"),
    [
        ("single.mp4", ("-g", "500"), 3.0, 0, "its keyframes are more than 2 s apart"),
        ("open.mp4", ("-x264-params", "open-gop=1"), 3.0, 60, "it has pictures that need those before their keyframe"),
        ("clip.mkv", (), 3.0, 60, "it is not an MP4 or MOV file, whose index says for sure where decoding can begin"),
        ("clip.ts", (), 5.5, 120, "it is not an MP4 or MOV file, whose index says for sure where decoding can begin"),
    ],
)
def test_what_cannot_be_copied_is_encoded_from_its_keyframe(
    make: Make, tmp_path: Path, name: str, options: tuple[str, ...], start: float, begins_at_frame: int, reason: str
) -> None:
    found = planned(make(*options, name=name), cut_at(start, 5.8), tmp_path)

    assert found.copy == reason
    assert found.cut.start_seconds * RATE == pytest.approx(begins_at_frame, abs=0.03)
    assert found.plan.frame_count == round(5.8 * RATE) - begins_at_frame


def test_where_coded_pictures_part_only_after_the_promised_end_it_is_encoded(make: Make, tmp_path: Path) -> None:
    tools, source = find_tools(), make("-x264-params", "b-adapt=0:b-pyramid=none", "-bf", "8", name="long.mp4")
    promised = probe(source, tools).model_copy(update={"duration_seconds": float(65 / RATE)})
    recipe = cut_at(2.6, round(float(65 / RATE), 3))

    found = plan_cut(source, promised, recipe, {}, tools=tools, scratch=tmp_path, limits=Limits())

    assert found.copy == "it has no place near the end of the part where coded pictures can be parted"
    assert found.plan.frame_count == 5


def test_pictures_that_an_edit_list_hides_stay_hidden(make: Make, tmp_path: Path) -> None:
    # A stream copy from the middle of a group of pictures: its keyframe is not to be seen.
    source = tmp_path / "cut.mp4"
    ffmpeg("-ss", "0.8", "-i", make(), "-c", "copy", source)

    early, late = planned(source, cut_at(0.3, 2.0), tmp_path), planned(source, cut_at(0.6, 2.0), tmp_path)

    assert (early.cut.has_keyframe, early.cut.start_seconds) == (False, 0)
    assert early.copy == "there is no keyframe at which a copy could begin"
    assert early.cut.notes(early.plan) == ("No keyframe comes before 0.300 s: it begins with the source.",)
    # Its first picture to be seen is the 20th of the clip.
    assert late.cut.start_seconds * RATE == pytest.approx(10, abs=0.01)
    assert isinstance(late.copy, Copied)
    package, _, directory = make_package(source, tmp_path / "made", cut_at(0.6, 2.0))
    assert package.renditions[0].is_copy
    frames = package.renditions[0].frame_count
    assert hashes(directory / package.mp4_path) == hashes(make())[30 : 30 + frames]


def test_a_keyframe_that_is_met_is_where_it_begins(make: Make, tmp_path: Path) -> None:
    found = planned(make(), cut_at(round(float(90 / RATE), 3)), tmp_path)

    assert found.cut.start_seconds * RATE == pytest.approx(90)
    assert found.cut.notes(found.plan) == ()


def test_a_start_past_the_end_is_refused_with_the_numbers_asked_for(make: Make, tmp_path: Path) -> None:
    with pytest.raises(EditImpossibleError, match=r"begins at 9 s, but the source lasts 6\.006 s"):
        planned(make(), cut_at(9), tmp_path)


def test_a_copy_ends_where_no_later_picture_is_shown_before_its_last() -> None:
    shown_at = (0, 3, 1, 2, 6, 4, 5)  # in the order of decoding: I P B B P B B
    packets = tuple(Packet(float(at), 100, at == 0, is_hidden=False) for at in shown_at)
    cut = KeyframeCut(TrimOptions(cut="keyframe"), 0.0, has_keyframe=True, packets=packets)

    assert [cut.whole_frames(count) for count in (1, 2, 4, 5, 7, 8, None)] == [1, 4, 4, 7, 7, None, 7]


@pytest.mark.parametrize("changed", [{"edit.speed": 1.25}, {"video.codec": "hevc"}])
def test_where_nothing_is_copied_no_more_is_read_than_tells_the_keyframe(
    make: Make, tmp_path: Path, changed: dict[str, object]
) -> None:
    found = planned(make(), cut_at(1.5, **changed), tmp_path)

    assert found.cut.start_seconds == pytest.approx(30 / RATE, abs=0.001)
    assert len(found.cut.packets) < 80  # of 114 that follow the keyframe
