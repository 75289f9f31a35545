"""Have the pieces of a long encode made: here, in lanes side by side, and by runs on other workers.

Each piece waits for an encode slot of its own, so that a long source does not keep others waiting to its end, and is
kept in the object store as soon as it is done. A job that was killed, paused at once or tried again goes on with what
is missing. Pieces are made in threads; the task's own thread looks on, so that a stop, which is raised there, reaches
it at once and ends them all.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import Pause
from prefect.logging import get_run_logger

from data.domain.assets import Asset
from data.domain.errors import ToolMissingError
from data.domain.keys import step_key
from data.domain.recipes import Recipe
from data.settings import get_settings
from data.storage import open_store
from tasks.chunk_helpers import ChunkHelpers
from tasks.chunk_store import ChunkStore
from tasks.encode_slot import encode_slot
from tasks.media.chunks import SOUND, Piece, planned_pieces
from tasks.media.hardware import chosen_encoder
from tasks.media.pieces import MadePiece, PieceAccount, PieceMaker
from tasks.media.piecework import why_unfit
from tasks.media.plan import plan_encode
from tasks.media.process import Progress
from tasks.media.tools import Toolset, find_tools
from tasks.packed import packed_job
from tasks.policies import TASK_POLICY, encode_slots, tool_limits
from tasks.progress import StepProgress
from tasks.stopping import waiting, working
from tasks.workspace import encode_rank, run_id, workspace

_LOOK_SECONDS = 0.5
_SOUND_EFFORT = 0.05
"""What a second of sound takes, against a second of picture."""


class LaneStopped(BaseException):
    """A lane shall end now: the task has failed or is stopped. Not an ``Exception``, like what it follows from."""


@task(task_run_name="{title}", persist_result=False, cache_policy=NO_CACHE)
def make_piece(title: str, make: Callable[[], PieceAccount]) -> PieceAccount:
    """Encode one chunk of a long source, or all of its sound; finished ones are kept and not made again."""
    return make()


@task(task_run_name="chunk {name}", **TASK_POLICY)
def help_with_chunk(asset: Asset, recipe: Recipe, key: str, name: str, chunk_seconds: float) -> str:
    """Encode one chunk of a long source for the job that asked for it, unless it is there already.

    Args:
        asset: The source.
        recipe: What to make of it; without edits.
        key: Of the package that the chunk is a part of.
        name: Of the chunk.
        chunk_seconds: How that job cuts the source.
    """
    settings = get_settings()
    media, store = settings.media, open_store(settings.storage_url, **settings.storage_options)
    tools = find_tools(media.ffmpeg, media.ffprobe, media.packager)
    if package_key(asset, recipe, tools) != key:
        raise ToolMissingError("This machine's ffmpeg or packager is not that of the machine that asked for the chunk.")
    kept = ChunkStore(store, asset.id, key)
    if kept.find(name) is not None:
        return name
    with workspace() as scratch:
        plan = plan_encode(asset.media_facts, recipe)
        maker = PieceMaker(
            store.fetch(asset.media_key, scratch / "source"),
            asset.media_facts,
            recipe,
            plan,
            chosen_encoder(recipe.video, tools),
            tools,
            tool_limits(media),
            run_id(),
        )
        piece = next(piece for piece in planned_pieces(plan, chunk_seconds) if piece.name == name)
        directory = scratch / "chunk"
        directory.mkdir()
        # Of the job's bar this is a part that the job itself tells of: nothing is told here.
        with encode_slot(StepProgress("transcode")) as threads:
            account = maker.make(piece, directory, threads)
        kept.keep(name, account, directory)
    return name


def package_key(asset: Asset, recipe: Recipe, tools: Toolset) -> str:
    """Return the cache key of the transcode step on this machine."""
    encoder = chosen_encoder(recipe.video, tools)
    versions = tools.versions(hardware_encoder=encoder.name if encoder.is_hardware else None)
    return step_key("transcode", asset.content, recipe.transcode_options(), versions)


@dataclass
class LocalPiecework:
    """Piecework of one job; lives as long as its transcode step.

    Args:
        chunk_seconds: Least length of a chunk; 0: nothing is made in pieces.
        kept: The finished pieces.
        scratch: Directory for work files.
        progress: Told how far the whole is.
        helpers: Runs elsewhere.
        share: What share of the step's bar the pieces take.
    """

    chunk_seconds: float
    kept: ChunkStore
    scratch: Path
    progress: StepProgress
    helpers: ChunkHelpers
    share: float
    elsewhere_seconds: float = field(default=0.0, init=False)
    """Processor time that other processes, or earlier attempts, took for pieces."""
    has_pieces: bool = field(default=False, init=False)
    """Whether there may be pieces to be deleted in the end."""
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)
    _shares: dict[str, float] = field(default_factory=dict, init=False)

    def make(self, maker: PieceMaker, pieces: Sequence[Piece]) -> list[MadePiece] | str:
        """Have all pieces made that are not there yet; see :class:`tasks.media.piecework.Piecework`."""
        self.has_pieces = True
        there = {piece.name: account for piece in pieces if (account := self.kept.find(piece.name))}
        self.elsewhere_seconds += sum(account.cpu_seconds for account in there.values())
        get_run_logger().info("Encoding in %d pieces; %d are there already.", len(pieces), len(there))
        for name in there:
            self._tell(name, 1.0, pieces)
        with ThreadPoolExecutor(_lanes() + 1, thread_name_prefix="chunk") as pool:
            try:
                return self._all(pool, maker, pieces, there)
            finally:
                self._stopped.set()
                self.helpers.stop()

    def bring(self, made: MadePiece, name: str, target: Path) -> Path:
        """Bring a file of a piece to a path; see :class:`tasks.media.piecework.Piecework`."""
        return self.kept.bring(made, name, target)

    def _all(
        self, pool: ThreadPoolExecutor, maker: PieceMaker, pieces: Sequence[Piece], there: dict[str, PieceAccount]
    ) -> list[MadePiece] | str:
        by_name = {piece.name: piece for piece in pieces}
        todo = deque(name for name in by_name if name not in there)
        running: dict[Future[PieceAccount], str] = {}
        pause: Pause | None = None
        while not (why := why_unfit(_in_order(pieces, there))):
            room = _lanes() - sum(name != SOUND for name in running.values())
            if not todo and room and not pause and (back := self.helpers.take_back()):
                todo.append(back)
            while todo and (room or todo[0] == SOUND):
                name = todo.popleft()
                room -= name != SOUND
                running[pool.submit(copy_context().run, self._make_one, maker, by_name[name], pieces)] = name
            while todo and self.helpers.has_room and self.helpers.ask(todo[-1]):
                todo.pop()
            if pause is not None and not running:
                raise pause
            if not running and not self.helpers.is_busy:
                return _in_order(pieces, there)
            for future in self._look_on(running):
                name = running.pop(future)
                try:
                    there[name] = future.result()
                except Pause as wished:  # Prefect's engine says so when a task run is over: the others may end theirs
                    pause = wished
                    todo.clear()
            for name in self.helpers.finished():
                self._take_from_helper(name, pieces, there, todo)
        return why

    def _look_on(self, running: dict[Future[PieceAccount], str]) -> set[Future[PieceAccount]]:
        """Wait a moment for one that is done here; where only others work, the job's clock stands still."""
        if running:
            return wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED).done
        with waiting():
            time.sleep(_LOOK_SECONDS)
        return set()

    def _take_from_helper(
        self, name: str, pieces: Sequence[Piece], there: dict[str, PieceAccount], todo: deque[str]
    ) -> None:
        account = self.kept.find(name)
        if account is None:
            get_run_logger().warning("The run that was to make %s did not: it is made here.", name)
            self.helpers.expect_less()
            todo.append(name)
            return
        there[name] = account
        self.elsewhere_seconds += account.cpu_seconds
        self._tell(name, 1.0, pieces)

    def _make_one(self, maker: PieceMaker, piece: Piece, pieces: Sequence[Piece]) -> PieceAccount:
        def make() -> PieceAccount:
            directory = self.scratch / f"chunk-{piece.name}"
            directory.mkdir()

            def on_progress(told: Progress) -> None:
                self._go_on()
                self._tell(piece.name, told.share or 0.0, pieces)

            # Sound keeps one core busy for a while, beside whatever is granted, as it does in an encode in one piece.
            # Other lanes may wait for their slots meanwhile: the job works.
            with encode_slot(self.progress, self._rank) if piece.chunk else nullcontext(1) as threads, working():
                account = maker.make(piece, directory, threads, on_progress)
            self.kept.keep(piece.name, account, directory)
            return account

        title = f"chunk {piece.name}" if piece.chunk else piece.name
        # An item of a pack has no task runs of its own.
        account: PieceAccount = make() if packed_job() else make_piece(title, make)
        return account

    def _rank(self) -> int:
        self._go_on()
        return encode_rank()

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise LaneStopped

    def _tell(self, name: str, share: float, pieces: Sequence[Piece]) -> None:
        self._shares[name] = share
        efforts = {piece.name: piece.expected_seconds * (1 if piece.chunk else _SOUND_EFFORT) for piece in pieces}
        done = sum(efforts[each] * told for each, told in dict(self._shares).items())
        self.progress.update(self.share * done / sum(efforts.values()))


def _lanes() -> int:
    """How many pieces are made side by side here: more than one where one encode cannot keep all slots busy."""
    slots = encode_slots(get_settings())
    return max(1, slots.units // slots.threads_per_encode)


def _in_order(pieces: Sequence[Piece], there: dict[str, PieceAccount]) -> list[MadePiece]:
    return [MadePiece(piece, there[piece.name]) for piece in pieces if piece.name in there]


def helper_parameters(asset: Asset, recipe: Recipe, key: str, chunk_seconds: float) -> Callable[[str], dict[str, Any]]:
    """Return what gives the parameters of a helper's flow for the piece of a name."""
    return lambda name: {
        "asset": asset.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json"),
        "key": key,
        "name": name,
        "chunk_seconds": chunk_seconds,
    }
