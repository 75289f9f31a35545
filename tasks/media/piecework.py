"""A long encode in pieces: decide whether it is one, have the pieces made, and join them; else say why not.

Whatever does not fit (an encoder that failed on a chunk, a joint that is not true) is no failure: the source is then
encoded in one piece, whose verdict on it counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from data.domain.errors import DataError
from tasks.media.arguments import WorkFiles
from tasks.media.chunks import Piece, planned_pieces, why_untrue_joint, why_whole
from tasks.media.joining import Joiner
from tasks.media.measures import ToolLog
from tasks.media.pieces import MadePiece, PieceMaker


class Piecework(Protocol):
    """Has the pieces of a long encode made, by whomever, and brings them. Lives as long as one encode."""

    @property
    def chunk_seconds(self) -> float:
        """Least length of a chunk; 0: nothing is made in pieces."""
        ...

    def make(self, maker: PieceMaker, pieces: Sequence[Piece]) -> list[MadePiece] | str:
        """Have all pieces made that are not there yet; return them in order, or say why they do not fit together.

        Raises:
            DataError: A piece cannot be encoded.
            DailiesError: A program stalled, was killed, or ran out of time or disk; finished pieces are kept.
        """
        ...

    def bring(self, made: MadePiece, name: str, target: Path) -> Path:
        """Bring a file of a piece to a path, and return that. It may be a link: never write to it."""
        ...


class _NoPiecework:
    """Everything is encoded in one piece."""

    chunk_seconds = 0.0

    def make(self, maker: PieceMaker, pieces: Sequence[Piece]) -> list[MadePiece] | str:
        raise NotImplementedError

    def bring(self, made: MadePiece, name: str, target: Path) -> Path:
        raise NotImplementedError


NO_PIECEWORK: Piecework = _NoPiecework()


@dataclass(frozen=True)
class FromPieces:
    """What came of an encode in pieces."""

    log: ToolLog | None = None
    """What an encode in one piece would have said; ``None``: it is still to be encoded, in one."""
    threads: int = 0
    """That one of the chunks was granted."""
    notes: tuple[str, ...] = ()
    """Sentences for a person."""


def encode_in_pieces(piecework: Piecework, maker: PieceMaker, work: WorkFiles) -> FromPieces:
    """Encode a source in pieces if it is long enough and that can be done truly.

    Args:
        piecework: Has pieces made.
        maker: Makes one.
        work: Where the joined parts go.

    Raises:
        DailiesError: A program failed, stalled, was killed, or ran out of time or disk.
    """
    pieces = planned_pieces(maker.plan, piecework.chunk_seconds)
    if not pieces:
        return FromPieces()
    if why := why_whole(maker.facts, maker.recipe, maker.plan, maker.encoder):
        return _whole(why)
    try:
        made = piecework.make(maker, pieces)
    except DataError as error:
        made = f"a piece of it could not be encoded ({error.code})"
    if isinstance(made, str):
        return _whole(made)
    joiner = Joiner(maker.facts, maker.plan, work, maker.tools, maker.limits, maker.run_id)
    joined = joiner.join(made, piecework.bring)
    if isinstance(joined, str):
        return _whole(joined)
    count = sum(piece.chunk is not None for piece in pieces)
    return FromPieces(joined, made[-1].account.threads, (f"Encoded in {count} chunks, joined by copying.",))


def why_unfit(made: Sequence[MadePiece]) -> str:
    """Say why those pieces that are there, in order, cannot be parts of one whole; empty while they can."""
    chunks = [(each.piece.chunk, each.account) for each in made if each.piece.chunk is not None]
    for chunk, account in chunks:
        if why := account.why_unfit(chunk):
            return why
    for (before, ended), (after, begun) in pairwise(chunks):
        are_neighbours = before.frame_count is not None and before.first_frame + before.frame_count == after.first_frame
        if are_neighbours and (why := why_untrue_joint(ended.beyond, begun.opening, after.begins_at_seconds)):
            return why
    return ""


def _whole(why: str) -> FromPieces:
    return FromPieces(notes=(f"Encoded in one piece, not in chunks: {why}.",))
