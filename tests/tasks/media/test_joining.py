import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from data.domain.recipes import Recipe
from tasks.media.arguments import WorkFiles
from tasks.media.chunks import Chunk, Piece
from tasks.media.joining import Joiner, joined_log
from tasks.media.measures import ToolLog
from tasks.media.pieces import MadePiece, PieceAccount
from tasks.media.plan import EncodePlan, plan_encode
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tests.fakes.source_facts import source_facts

FACTS = source_facts(128, 64, duration_seconds=2.0)
SOUND = MadePiece(
    Piece("sound", 2.0, None), PieceAccount(files={"sound.mp4": 3}, threads=1, cpu_seconds=0, frame_counts={})
)


def plan() -> EncodePlan:
    recipe = Recipe.parse({"video": {"ladder": {"rungs": [{"name": "tiny", "short_side": 64, "max_kbps": 100}]}}})
    return plan_encode(FACTS, recipe)


def made(number: int, **account: object) -> MadePiece:
    """A chunk of a second."""
    chunk = Chunk(25 * number, 25 if number == 0 else None, 25, Fraction(25), 1.0, number)
    values = {"files": {}, "threads": 1, "cpu_seconds": 0, "frame_counts": {"tiny": 25}, **account}
    return MadePiece(Piece(chunk.name, 1.0, chunk), PieceAccount.model_validate(values))


def part(folder: Path, number: int, *options: str, frames: int = 25) -> None:
    """Write the files of a chunk."""
    directory = folder / made(number).piece.name
    directory.mkdir(parents=True)
    source = ["-f", "lavfi", "-i", "testsrc2=s=128x64:r=25", "-frames:v", str(frames), "-c:v", "libx264"]
    target = directory / "rung-tiny.mp4"
    command = [find_tools().ffmpeg, "-v", "error", *source, "-preset", "ultrafast", *options, target]
    subprocess.run(command, check=True, timeout=30)
    for name in ("tiles.bgr", "candidates.bgr"):
        (directory / name).write_bytes(bytes([number]) * 3)


def join(folder: Path) -> ToolLog | str:
    work = WorkFiles(folder / "scratch")
    work.directory.mkdir()
    (folder / "sound").mkdir()
    (folder / "sound" / "sound.mp4").write_bytes(b"aac")

    def bring(piece: MadePiece, name: str, target: Path) -> Path:
        target.hardlink_to(folder / piece.piece.name / name)
        return target

    return Joiner(FACTS, plan(), work, find_tools(), Limits()).join([SOUND, made(0), made(1)], bring)


def test_parts_are_put_one_behind_the_other(tmp_path: Path) -> None:
    part(tmp_path, 0, "-bf", "2")
    part(tmp_path, 1, "-bf", "2")

    log = join(tmp_path)

    assert isinstance(log, ToolLog)
    scratch = tmp_path / "scratch"
    assert log.frames_to(scratch / "rung-tiny.mp4") == 50
    assert (scratch / "tiles.bgr").read_bytes() == b"\0\0\0\1\1\1"
    assert (scratch / "sound.mp4").read_bytes() == b"aac"
    assert list(scratch.glob("part-*.mp4")) == []
    assert (tmp_path / made(0).piece.name / "rung-tiny.mp4").exists()  # what was brought is another's


def test_parts_with_different_headers_are_not_joined(tmp_path: Path) -> None:
    part(tmp_path, 0)
    part(tmp_path, 1, "-profile:v", "high", "-x264-params", "cabac=1")

    assert join(tmp_path) == "the encoder described the parts of tiny in different ways"


@pytest.mark.parametrize("frames", [24, 26])
def test_parts_that_are_not_as_long_as_they_are_said_to_be_are_not_joined(frames: int, tmp_path: Path) -> None:
    part(tmp_path, 0, frames=frames)
    part(tmp_path, 1)

    assert join(tmp_path) == "the parts of tiny did not join at their exact times"
    linked = [path.name for path in (tmp_path / "scratch").iterdir() if path.stat().st_nlink > 1]
    assert linked == []  # the encode in one piece that follows writes over nothing that is kept


def test_what_the_parts_saw_is_what_the_whole_saw() -> None:
    sound = replace(SOUND, account=SOUND.account.model_copy(update={"silent_seconds": 1.5, "loudness_lufs": -20.0}))
    first = made(0, packets=30, decoded_frames=30, decode_errors=1, black_spells=[(0.9, 0.96)])
    second = made(1, packets=40, decoded_frames=40, patched_frames=2, black_spells=[(0.0, 0.1)])

    log = joined_log(FACTS, plan(), WorkFiles(Path("/scratch")), [sound, first, second])

    assert (log.decoded["video"].packets, log.decoded["video"].errors, log.patched_frames) == (70, 1, 2)
    assert log.decoded["video"].frames == 50  # pictures around the joint were decoded twice
    measures = log.measures(2.0, has_audio=True)
    assert (measures.black_share, measures.silence_share) == (pytest.approx(0.1), pytest.approx(0.75))
    assert measures.loudness_lufs == -20
