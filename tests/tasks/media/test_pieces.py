import subprocess
from pathlib import Path

import pytest

from data.domain.errors import CorruptInputError
from tasks.media.chunks import Piece, planned_pieces
from tasks.media.codecs import H264
from tasks.media.pieces import PieceAccount, PieceMaker
from tasks.media.plan import plan_encode
from tasks.media.probe import probe
from tasks.media.process import Limits, Progress
from tasks.media.tools import find_tools
from tests.fakes.packages import SMALL


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> PieceMaker:
    source = tmp_path_factory.mktemp("source") / "clip.mp4"
    inputs = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=4", "-f", "lavfi", "-i", "sine=d=4"]
    command = [find_tools().ffmpeg, "-v", "error", *inputs, "-c:v", "libx264", "-preset", "ultrafast", source]
    subprocess.run(command, check=True, timeout=30)
    facts = probe(source, find_tools())
    return PieceMaker(source, facts, SMALL, plan_encode(facts, SMALL), H264, find_tools(), Limits())


def made(maker: PieceMaker, number: int, folder: Path) -> tuple[Piece, PieceAccount]:
    piece = planned_pieces(maker.plan, 2.0)[number]
    folder.mkdir()
    return piece, maker.make(piece, folder, 1)


def test_a_chunk_leaves_its_files_and_says_what_was_seen(maker: PieceMaker, tmp_path: Path) -> None:
    told: list[Progress] = []
    piece = planned_pieces(maker.plan, 2.0)[1]

    account = maker.make(piece, tmp_path, 1, told.append)

    assert sorted(account.files) == ["candidates.bgr", "rung-90p.mp4", "tiles.bgr"]
    assert all((tmp_path / name).stat().st_size == size for name, size in account.files.items())
    assert account.frame_counts == {"90p": 50}
    assert (account.opening, len(account.beyond), account.threads) == ((), 8, 1)
    assert account.decoded_frames >= 58
    assert piece.chunk is not None
    assert account.why_unfit(piece.chunk) == ""
    assert told[-1].share == pytest.approx(1, abs=0.05)


def test_neighbours_see_the_same_frames(maker: PieceMaker, tmp_path: Path) -> None:
    _, first = made(maker, 1, tmp_path / "first")
    _, second = made(maker, 2, tmp_path / "second")

    assert second.opening == first.beyond
    assert second.beyond == ()


def test_the_sound_is_made_without_a_picture(maker: PieceMaker, tmp_path: Path) -> None:
    _, account = made(maker, 0, tmp_path / "sound")

    assert sorted(account.files) == ["sound.mp4"]
    assert account.loudness_lufs is not None
    assert account.frame_counts == {}


def test_a_chunk_of_a_broken_source_says_that_the_source_is_broken(maker: PieceMaker, tmp_path: Path) -> None:
    data = maker.source.read_bytes()
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data[:start] + bytes(end - start) + data[end:])

    with pytest.raises(CorruptInputError):
        made(PieceMaker(**{**vars(maker), "source": broken}), 2, tmp_path / "made")
