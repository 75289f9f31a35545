"""Pieces made in lanes, with real encoders, and with helpers that are played."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.logging import disable_run_logger

from data.domain.errors import CorruptInputError, DataError
from data.domain.recipes import Recipe
from data.settings import get_settings
from data.storage import open_store
from tasks.chunk_helpers import ChunkHelpers
from tasks.chunk_store import ChunkStore
from tasks.chunks import LocalPiecework
from tasks.media.chunks import Piece, planned_pieces
from tasks.media.codecs import H264
from tasks.media.pieces import MadePiece, PieceMaker
from tasks.media.plan import plan_encode
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tasks.packed import working_for
from tasks.progress import StepProgress
from tests.fakes.packages import SMALL

RECIPE = SMALL.with_overrides({"video.segment_seconds": 1})
NAMES = ["sound", "00000000-00000025", "00000025-00000050", "00000050-00000075", "00000075-end"]


class Played(ChunkHelpers):
    """Helpers that take pieces, and make them when the test says so."""

    def __init__(self, most: int = 0) -> None:
        super().__init__(most, lambda name: {})
        self.asked: list[str] = []
        self.over: list[str] = []
        self.taken_back: list[str] = []
        self.are_stopped = False
        self.begun = True
        self.error: BaseException | None = None
        self.do: Callable[[], None] = lambda: None
        self._most_now = most

    @property
    def has_room(self) -> bool:
        return len(self.asked) < self._most_now

    @property
    def is_busy(self) -> bool:
        return bool(self.asked)

    def ask(self, name: str) -> bool:
        self.asked.append(name)
        return True

    def finished(self) -> list[str]:
        if self.error is not None and encoders():
            raise self.error
        if self.asked:
            self.do()
        found = [name for name in self.over if name in self.asked]
        self.asked = [name for name in self.asked if name not in found]
        return found

    def take_back(self) -> str | None:
        if self.begun or not self.asked:
            return None
        self.taken_back.append(self.asked[0])
        return self.asked.pop(0)

    def expect_less(self) -> None:
        self._most_now -= 1

    def stop(self) -> None:
        self.are_stopped = True


@pytest.fixture(autouse=True)
def _two_lanes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work for an item of a pack, which needs no Prefect."""
    monkeypatch.setenv("DAILIES_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAILIES_MEDIA__ENCODE_SLOTS", "2")
    monkeypatch.setenv("DAILIES_MEDIA__ENCODER_THREADS", "1")
    get_settings.cache_clear()
    with disable_run_logger(), working_for("run:1"):
        yield
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("source") / "clip.mp4"
    inputs = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=4", "-f", "lavfi", "-i", "sine=d=4"]
    command = [find_tools().ffmpeg, "-v", "error", *inputs, "-c:v", "libx264", "-preset", "ultrafast", target]
    subprocess.run(command, check=True, timeout=30)
    return target


@pytest.fixture(scope="module")
def maker(source: Path) -> PieceMaker:
    return maker_of(source)


def maker_of(source: Path, recipe: Recipe = RECIPE) -> PieceMaker:
    facts = probe(source, find_tools())
    return PieceMaker(source, facts, recipe, plan_encode(facts, recipe), H264, find_tools(), Limits())


def piecework(folder: Path, helpers: ChunkHelpers | None = None) -> LocalPiecework:
    """Piecework of one attempt; all attempts have the same store."""
    attempts = len(list(folder.glob("scratch-*")))
    scratch = folder / f"scratch-{attempts}"
    scratch.mkdir()
    kept = ChunkStore(open_store(f"file://{folder}/store"), "a" * 24, "key")
    return LocalPiecework(1.0, kept, scratch, StepProgress("transcode"), helpers or Played(), share=0.9)


def pieces_of(maker: PieceMaker) -> tuple[Piece, ...]:
    return planned_pieces(maker.plan, 1.0)


def names_of(made: Any) -> list[str]:
    assert isinstance(made, list), made
    return [each.piece.name for each in made]


def encoders() -> list[psutil.Process]:
    """The encoders that this process runs."""
    return [child for child in psutil.Process().children() if "ffmpeg" in child.name()]


def gone(maker: PieceMaker) -> PieceMaker:
    """A maker that can make nothing."""
    return replace(maker, source=maker.source.with_name("gone.mp4"))


def test_another_attempt_finds_what_is_finished_and_makes_the_rest(maker: PieceMaker, tmp_path: Path) -> None:
    pieces, first = pieces_of(maker), piecework(tmp_path)
    made = first.make(maker, pieces)
    assert names_of(made) == NAMES
    assert (first.elsewhere_seconds, first.has_pieces) == (0, True)

    second = piecework(tmp_path)
    assert second.make(gone(maker), pieces) == made
    assert second.elsewhere_seconds > 0

    lost = NAMES[2]
    (tmp_path / "store" / "packages" / ("a" * 24) / "key" / "chunks" / lost / "record.json").unlink()
    third = piecework(tmp_path)
    with pytest.raises(DataError):
        piecework(tmp_path).make(gone(maker), pieces)
    assert names_of(third.make(maker, pieces)) == NAMES
    assert [path.name for path in third.scratch.iterdir()] == [f"chunk-{lost}"]


def test_helpers_take_from_the_back_and_what_they_do_not_make_is_made_here(maker: PieceMaker, tmp_path: Path) -> None:
    helpers = Played(most=2)
    work, pieces = piecework(tmp_path, helpers), pieces_of(maker)
    helpers.over = NAMES[3:]  # one of them has made its piece, the other has failed
    last = pieces[-1]
    directory = tmp_path / "elsewhere"
    directory.mkdir()
    account = maker.make(last, directory, 1)

    helpers.do = lambda: work.kept.keep(last.name, account, directory) if (directory / "tiles.bgr").exists() else None

    made = work.make(maker, pieces)

    assert names_of(made) == NAMES
    assert made[-1] == MadePiece(last, account)
    assert work.elsewhere_seconds == account.cpu_seconds
    assert sorted(path.name for path in work.scratch.iterdir()) == sorted(f"chunk-{name}" for name in NAMES[:4])
    assert helpers.are_stopped


def test_a_helper_that_has_not_begun_is_taken_back(maker: PieceMaker, tmp_path: Path) -> None:
    helpers = Played(most=2)
    helpers.begun = False

    made = piecework(tmp_path, helpers).make(maker, pieces_of(maker))

    assert names_of(made) == NAMES
    assert helpers.taken_back == ["00000075-end", "00000050-00000075"]


def test_a_stop_ends_every_lane_and_its_encoder(tmp_path: Path) -> None:
    class Stop(BaseException):
        pass

    long = tmp_path / "long.mp4"
    inputs = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=20"]
    subprocess.run([find_tools().ffmpeg, "-v", "error", *inputs, "-preset", "ultrafast", long], check=True, timeout=60)
    maker = maker_of(long, RECIPE.with_overrides({"video.preset": "slow"}))
    helpers = Played()
    work = piecework(tmp_path, helpers)
    pieces = planned_pieces(maker.plan, 10.0)
    helpers.error = Stop()

    with pytest.raises(Stop):
        work.make(maker, pieces)

    assert encoders() == []
    assert helpers.are_stopped
    assert list((tmp_path / "home" / "slots").glob("ticket-*")) == []


def test_a_source_that_cannot_be_decoded_is_the_sources_fault(maker: PieceMaker, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    data = maker.source.read_bytes()
    start = data.index(b"mdat") + 4
    broken.write_bytes(data[:start] + bytes(len(data) - start - 3000) + data[-3000:])

    with pytest.raises(CorruptInputError):
        piecework(tmp_path).make(replace(maker, source=broken), pieces_of(maker))
