import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from data.domain.assets import SourceFacts
from data.domain.publications import Package
from data.domain.recipes import GateOptions, Recipe
from tasks.media.boxes import read_segments
from tasks.media.checks import check_candidate
from tasks.media.choices import Chooser
from tasks.media.codecs import H264
from tasks.media.conforming import Copied, Packet, copied_from, difference, read_packets
from tasks.media.measures import read_log
from tasks.media.plan import EncodePlan, plan_encode
from tasks.media.playlists import media_playlist
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tests.fakes.packages import make_package
from tests.fakes.source_facts import source_facts

COPY = Recipe.parse(
    {
        "video": {
            "preset": "ultrafast",
            "segment_seconds": 1,
            "copy_conforming": True,
            "ladder": {
                "rungs": [
                    {"name": "180p", "short_side": 180, "max_kbps": 2000},
                    {"name": "90p", "short_side": 90, "max_kbps": 500},
                ]
            },
        }
    }
)
LABELLED = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
Packets = tuple[Packet, ...]


def conforming_facts(**video: object) -> SourceFacts:
    return source_facts(
        320, 180, "24000/1001", duration_seconds=float(72 * 1001 / 24000), color_matrix="bt709", **video
    )


def plan() -> EncodePlan:
    return plan_encode(conforming_facts(), COPY)


def packets(keys: tuple[int, ...] = (0, 30, 48), count: int = 72, size_bytes: int = 1000) -> Packets:
    rate = Fraction(24000, 1001)
    return tuple(Packet(float(index / rate), size_bytes, index in keys, is_hidden=False) for index in range(count))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of clips of 3 s at 24000/1001 with B-frames and sound: options of x264, then filters."""

    def run(*options: str, filters: str = LABELLED) -> Path:
        target = tmp_path / "clip.mp4"
        picture = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=24000/1001:d=3.003")
        sound = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=3.003")
        encoder = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-sc_threshold", "0", "-g", "30")
        command = [find_tools().ffmpeg, "-v", "error", "-y", *picture, *sound, "-vf", filters, *encoder, *options]
        subprocess.run([*command, "-c:a", "aac", target], check=True, timeout=60)
        return target

    return run


def pictures(video: Path) -> bytes:
    """Return a hash of every picture that a video shows."""
    command = [find_tools().ffmpeg, "-v", "error", "-i", video, "-map", "0:v", "-f", "hash", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def cuts(package: Package, directory: Path) -> list[list[tuple[Fraction, int, bool]]]:
    """Return of each rung when its segments begin, their frames, and whether a keyframe comes first."""
    found = []
    for rendition in package.renditions:
        first, *parts = media_playlist((directory / rendition.playlist_path).read_text()).paths
        segments = read_segments(directory / first, [directory / part for part in parts])
        found.append([(part.start_seconds, part.samples, part.begins_with_keyframe) for part in segments])
    return found


def test_a_conforming_source_is_its_highest_rung_bit_by_bit(make: Callable[..., Path], tmp_path: Path) -> None:
    source = make("-maxrate", "1500k", "-bufsize", "1500k")
    package, facts, directory = make_package(source, tmp_path / "made", COPY)

    top, low = package.renditions
    assert (top.is_copy, low.is_copy) == (True, False)
    assert package.notes == ("180p is the source's own picture, not encoded again.",)
    assert pictures(directory / package.mp4_path) == pictures(source)
    assert top.frame_count == low.frame_count == 72
    assert b"x264" not in (directory / package.mp4_path).read_bytes()
    gate = check_candidate(directory, package, facts, GateOptions(), tools=find_tools(), scratch=tmp_path)
    assert [check for check in gate.checks if check.outcome != "passed"] == []


def test_the_other_rungs_are_cut_where_the_copy_has_its_keyframes(make: Callable[..., Path], tmp_path: Path) -> None:
    package, _, directory = make_package(make(), tmp_path / "made", COPY)

    assert package.renditions[0].is_copy
    copied, encoded = cuts(package, directory)
    assert copied == encoded
    assert [(samples, is_key) for _, samples, is_key in copied] == [(30, True), (30, True), (12, True)]


def test_a_ladder_of_one_rung_encodes_no_picture(make: Callable[..., Path], tmp_path: Path) -> None:
    rungs = {"rungs": [{"name": "180p", "short_side": 180, "max_kbps": 2000}]}
    package, _, _ = make_package(make(), tmp_path / "made", COPY.with_overrides({"video.ladder": rungs}))

    assert [rendition.is_copy for rendition in package.renditions] == [True]
    scratch = tmp_path / "made" / "scratch"
    assert read_log(scratch / "encode.log").frames_to(scratch / "rung-180p.mp4") == 0
    assert package.measures.decoded_frames == 72


@pytest.mark.parametrize(
    ("options", "filters", "reason"),
    [
        (("-g", "70"), LABELLED, "its keyframes are more than 2 s apart"),
        (("-x264-params", "open-gop=1:bframes=3"), LABELLED, "it has pictures that need those before their keyframe"),
        (("-crf", "1"), f"noise=alls=40:allf=t,{LABELLED}", "it takes more than the 2000 kb/s of the highest rung"),
        ((), "null", "its colours are not BT.709"),
    ],
)
def test_what_does_not_conform_is_encoded_and_said_why(
    make: Callable[..., Path], tmp_path: Path, options: tuple[str, ...], filters: str, reason: str
) -> None:
    source, tools = make(*options, filters=filters), find_tools()
    facts = probe(source, tools)
    chooser = Chooser(source, facts, COPY, plan_encode(facts, COPY), tmp_path, tools, Limits())

    choices = chooser.choose(H264, 2, None)

    assert choices.copied is None
    assert choices.notes == (f"The source was encoded, not copied: {reason}.",)


def test_a_damaged_source_is_encoded(make: Callable[..., Path], tmp_path: Path) -> None:
    source = make()
    content = bytearray(source.read_bytes())
    middle = content.index(b"mdat") + len(content) // 3
    content[middle : middle + 400] = bytes(range(200)) * 2
    source.write_bytes(content)

    package, _, _ = make_package(source, tmp_path / "made", COPY)

    assert not package.renditions[0].is_copy
    assert package.notes == ("The source was encoded, not copied: some of its pictures are damaged.",)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"codec": "hevc"}, "its pictures are hevc, not H.264"),
        ({"pixel_format": "yuv422p10le"}, "its pictures are yuv422p10le, not yuv420p"),
        ({"is_interlaced": True}, "it is interlaced"),
        ({"is_variable_rate": True}, "its rate varies"),
        ({"rotation_degrees": 90}, "it is to be shown turned"),
        ({"has_square_pixels": False}, "its pixels are not square"),
        ({"color_matrix": None}, "its colours are not BT.709"),
        ({"coded_width": 640}, "it has 640x180 pixels, the highest rung 320x180"),
    ],
)
def test_facts_that_differ_are_named(change: dict[str, object], reason: str) -> None:
    facts = conforming_facts()
    changed = facts.model_copy(update={"video": facts.video.model_copy(update=change)})

    assert difference(facts, COPY.video, plan()) == ""
    assert difference(changed, COPY.video, plan()) == reason


def test_unlabelled_pictures_are_taken_for_bt709_from_720_lines_on() -> None:
    facts = source_facts(1280, 720, duration_seconds=3)
    recipe = Recipe()

    assert difference(facts, recipe.video, plan_encode(facts, recipe)) == ""


def test_a_copy_is_of_the_codec_that_the_recipe_asks_for() -> None:
    options = COPY.with_overrides({"video.codec": "av1"}).video

    assert difference(conforming_facts(), options, plan()) == "the recipe asks for av1, not H.264"


def test_segments_begin_at_the_first_keyframe_of_each_stretch() -> None:
    made = copied_from(packets(keys=(0, 10, 30, 40, 48)), plan())

    assert isinstance(made, Copied)
    rate = 24000 / 1001
    assert [float(at) for at in made.keyframe_times.split(",")] == pytest.approx(
        [0, 29.5 / rate, 47.5 / rate], abs=1e-5
    )
    assert (made.keyframe_frames, made.frame_count) == (30, 72)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (packets(count=71), "it has 71 coded pictures and shows 72"),
        ((replace(packets()[0], is_hidden=True), *packets()[1:]), "it has 72 coded pictures and shows 72"),
        ((*packets()[:-1], replace(packets()[-1], at_seconds=2.97)), "its pictures are not at the exact times"),
        (packets(size_bytes=12_000), "it takes more than the 2000 kb/s"),
        ((replace(packets()[0], size_bytes=600_000), *packets()[1:]), "it takes more than the 2000 kb/s"),
        (packets(keys=(3, 30, 60)), "its keyframes are more than 2 s apart"),
        (packets(keys=(0,)), "its keyframes are more than 2 s apart"),
    ],
)
def test_packets_that_cannot_be_copied_are_not(found: Packets, reason: str) -> None:
    answer = copied_from(found, plan())

    assert isinstance(answer, str)
    assert answer.startswith(reason)


def test_packets_are_read_as_they_lie_in_the_file(make: Callable[..., Path], tmp_path: Path) -> None:
    found = read_packets(make(), 0, tools=find_tools(), scratch=tmp_path)

    assert len(found) == 72
    assert [index for index, packet in enumerate(found) if packet.is_key] == [0, 30, 60]
    assert not any(packet.is_hidden for packet in found)
    assert [packet.at_seconds for packet in found] != sorted(packet.at_seconds for packet in found)
