"""Encodes in pieces, held against the same encodes in one."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.domain.errors import TruncatedInputError
from data.domain.publications import Package
from data.domain.recipes import Recipe
from tasks.media.boxes import read_segments
from tasks.media.chunks import SOUND
from tasks.media.pieces import MadePiece
from tasks.media.piecework import why_unfit
from tasks.media.playlists import media_playlist
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.packages import SMALL, make_package
from tests.fakes.piecework import InlinePiecework

RECIPE = SMALL.with_overrides(
    {
        "video.preset": "veryfast",
        "video.segment_seconds": 1,
        # So that a tile is made of every frame: equal tiles are equal frames, each at its place.
        "thumbnails.min_interval_seconds": 0.04,
        "thumbnails.max_count": 400,
    }
)
CHUNK_SECONDS = 1.5
SAME_FILES = ("tiles.bgr", "candidates.bgr", "sound.mp4")
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
OPEN_GROUPS = (*X264, "-x264-params", "open-gop=1:keyint=40:bframes=3:scenecut=0")


@dataclass(frozen=True)
class Encode:
    """An encode of a source, and where it left its files."""

    package: Package
    folder: Path
    piecework: InlinePiecework | None = None

    def bytes_of(self, name: str) -> bytes:
        path = self.folder / "scratch" / name
        return path.read_bytes() if path.exists() else b""


Both = tuple[Encode, Encode]
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a maker of clips of 4 s at 160x90 with sound: filters, then ffmpeg's options, then a name."""
    folder = tmp_path_factory.mktemp("clips")

    def run(filters: str, *options: str, name: str) -> Path:
        target = folder / name
        command = [find_tools().ffmpeg, "-v", "error", "-y", "-ss", "60", "-t", "4", "-i", clip("bbb")]
        subprocess.run(
            [*command, "-vf", f"scale=160:90,{filters}", "-c:a", "aac", *options, target], check=True, timeout=60
        )
        return target

    return run


def encoded_both(source: Path, folder: Path, recipe: Recipe = RECIPE) -> Both:
    """Encode a source in one piece, and in chunks with different numbers of threads."""
    package, facts, _ = make_package(source, folder / "whole", recipe)
    piecework = InlinePiecework(folder / "pieces", CHUNK_SECONDS, threads=(2, 1))
    in_chunks, _, _ = make_package(source, folder / "chunked", recipe, facts, piecework=piecework)
    return Encode(package, folder / "whole"), Encode(in_chunks, folder / "chunked", piecework)


@pytest.fixture(scope="module")
def film(make: Make) -> Path:
    """Open groups of pictures, and a rate that no clock counts evenly."""
    return make("fps=30000/1001", *OPEN_GROUPS, name="film.mkv")


@pytest.fixture(scope="module")
def both(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Both:
    return encoded_both(film, tmp_path_factory.mktemp("both"))


def grid(encode: Encode) -> list[tuple[float, float, int, bool]]:
    """Beginning, length, frames of each segment of the highest rung, and whether it begins with a keyframe."""
    directory, rung = encode.folder / "package", encode.package.renditions[0]
    first, *parts = media_playlist((directory / rung.playlist_path).read_text()).paths
    return [
        (float(part.start_seconds), float(part.lasts_seconds), part.samples, part.begins_with_keyframe)
        for part in read_segments(directory / first, [directory / part for part in parts])
    ]


def likeness(encode: Encode, source: Path) -> list[float]:
    """SSIM of each frame of the highest rung with that of the source."""
    made = encode.folder / "scratch" / f"rung-{encode.package.renditions[0].name}.mp4"
    graph = "[0:v]settb=1/30,setpts=N[a];[1:v]settb=1/30,setpts=N[b];[a][b]ssim=stats_file=-"
    command = [find_tools().ffmpeg, "-v", "error", "-i", made, "-i", source, "-lavfi", graph, "-f", "null", "-"]
    found = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout
    return [float(number) for number in re.findall(r"All:([\d.]+)", found)]


def test_chunks_joined_are_the_encode_in_one_piece(both: Both) -> None:
    whole, chunked = both

    assert chunked.package.notes == ("Encoded in 2 chunks, joined by copying.",)
    assert whole.package.notes == ()
    for name in SAME_FILES:
        assert chunked.bytes_of(name) == whole.bytes_of(name) != b""
    assert grid(chunked) == grid(whole)
    differing = {"renditions", "files", "notes", "tools"}
    assert chunked.package.model_dump(exclude=differing) == whole.package.model_dump(exclude=differing)
    assert [each.frame_count for each in chunked.package.renditions] == [120]


def test_pictures_at_joints_are_as_good_as_others(both: Both, film: Path) -> None:
    whole, chunked = (likeness(encode, film) for encode in both)
    joint = 60

    assert len(whole) == len(chunked) == 120
    # A frame that is missing, doubled or black would be far from its neighbours.
    assert min(chunked) > min(whole) - 0.03
    around = slice(joint - 5, joint + 5)
    assert sum(chunked[around]) / 10 >= sum(whole[around]) / 10 - 0.01


def test_every_frame_is_the_one_that_an_encode_in_one_piece_has(make: Make, tmp_path: Path) -> None:
    sources = (
        # Pictures missing here and there, and one that is held over a joint; times to the millisecond.
        make(
            "fps=24,select='not(eq(mod(n,7),3))*not(between(n,40,60))',setpts='PTS+0.007*random(1)/TB'",
            *(*X264, "-fps_mode", "vfr"),
            name="variable.mkv",
        ),
        # Twice the rate of the output: each of its frames lies halfway between two pictures or on one.
        make("fps=120000/1001", *OPEN_GROUPS, "-an", name="fast.mp4"),
        # Picture that begins later than the sound, in interlaced frames.
        make("scale=160:96,fps=25,setpts=PTS+0.3/TB,setfield=tff", *X264, "-flags", "+ilme+ildct", name="late.mp4"),
    )

    for source in sources:
        whole, chunked = encoded_both(source, tmp_path / source.stem)

        assert len(chunked.package.notes) == 1
        assert "chunks, joined" in chunked.package.notes[0]
        for name in SAME_FILES:
            assert chunked.bytes_of(name) == whole.bytes_of(name), (source.name, name)
        assert chunked.package.measures == whole.package.measures or "variable" in source.name


@pytest.mark.parametrize("codec", ["hevc", "av1", "vp9"])
def test_rungs_of_any_codec_can_be_joined(codec: str, film: Path, tmp_path: Path) -> None:
    recipe = RECIPE.with_overrides({"video.codec": codec, "video.preset": "ultrafast"})
    piecework = InlinePiecework(tmp_path / "pieces", CHUNK_SECONDS)

    package, _, directory = make_package(film, tmp_path, recipe, piecework=piecework)

    assert package.notes == ("Encoded in 2 chunks, joined by copying.",)
    assert (package.renditions[0].frame_count, package.duration_seconds) == (120, pytest.approx(4.004))
    decode = [find_tools().ffmpeg, "-v", "error", "-i", directory / "video.mp4", "-f", "null", "-"]
    assert subprocess.run(decode, check=True, timeout=60, capture_output=True).stderr == b""


def test_black_and_silence_are_measured_across_joints(make: Make, tmp_path: Path) -> None:
    black = "fps=25,drawbox=c=black:t=fill:enable='between(n,45,54)'"
    source = make(black, *X264, "-af", "volume=0:enable='between(t,1,3)'", name="black.mp4")

    whole, chunked = encoded_both(source, tmp_path)

    assert whole.package.measures.black_share == pytest.approx(0.1)
    assert chunked.package.measures == whole.package.measures


def test_a_source_whose_middle_cannot_be_sought_is_encoded_in_one_piece(make: Make, tmp_path: Path) -> None:
    source = make(
        "fps=25", "-c:v", "mpeg4", "-q:v", "4", "-g", "600", "-sc_threshold", "1000000000", name="endless.mp4"
    )
    # Without its list of keyframes each picture passes for one.
    source.write_bytes(source.read_bytes().replace(b"stss", b"free"))

    whole, chunked = encoded_both(source, tmp_path)

    note = "Encoded in one piece, not in chunks: decoding cannot begin in the middle of it, at 2.000 s."
    assert chunked.package.notes == (note,)
    assert chunked.bytes_of("tiles.bgr") == whole.bytes_of("tiles.bgr")
    assert chunked.package.model_dump(exclude={"notes"}) == whole.package.model_dump(exclude={"notes"})


def test_a_source_that_ends_early_gets_the_verdict_of_an_encode_in_one_piece(film: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mkv"
    _, facts, _ = make_package(film, tmp_path / "whole", RECIPE)
    cut.write_bytes(film.read_bytes()[: int(film.stat().st_size * 0.4)])
    piecework = InlinePiecework(tmp_path / "pieces", CHUNK_SECONDS)

    with pytest.raises(TruncatedInputError):
        make_package(cut, tmp_path / "chunked", RECIPE, facts, piecework=piecework)


def test_what_is_edited_and_what_is_short_is_not_made_in_pieces(film: Path, tmp_path: Path) -> None:
    edited = RECIPE.with_overrides({"edit.speed": 2.0})
    pieceworks = [InlinePiecework(tmp_path / name, seconds) for name, seconds in (("edit", 1.0), ("short", 3.0))]

    packages = [
        make_package(film, tmp_path / f"of-{index}", recipe, piecework=piecework)[0]
        for index, (recipe, piecework) in enumerate(zip((edited, RECIPE), pieceworks, strict=True))
    ]

    assert [piecework.made for piecework in pieceworks] == [[], []]
    assert [package.notes for package in packages] == [
        ("Encoded in one piece, not in chunks: the recipe edits it.",),
        (),
    ]


def test_pieces_that_do_not_fit_are_named(both: Both) -> None:
    piecework = both[1].piecework
    assert piecework is not None
    sound, first, second = piecework.made
    lacking = MadePiece(first.piece, first.account.model_copy(update={"frame_counts": {"144p": 59}}))
    other = MadePiece(second.piece, second.account.model_copy(update={"opening": ("0",) * 8}))

    assert sound.piece.name == SOUND
    assert why_unfit([sound, first, second]) == ""
    assert "gave [59] frames, not 60" in why_unfit([sound, lacking])
    assert "decoding cannot begin" in why_unfit([first, other])
    assert why_unfit([sound, other]) == ""  # what is between them is still being made
