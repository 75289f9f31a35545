"""Piecework for tests: every piece is made at once, here, one after the other, and kept in a folder."""

from collections.abc import Sequence
from pathlib import Path

from tasks.media.chunks import Piece
from tasks.media.pieces import MadePiece, PieceMaker
from tasks.media.piecework import why_unfit


class InlinePiecework:
    """Makes pieces in the calling thread, with so many threads in turn. Lives as long as one encode."""

    def __init__(self, folder: Path, chunk_seconds: float, threads: Sequence[int] = (2,)) -> None:
        self.chunk_seconds = chunk_seconds
        self.made: list[MadePiece] = []
        self._folder = folder
        self._threads = threads

    def make(self, maker: PieceMaker, pieces: Sequence[Piece]) -> list[MadePiece] | str:
        for number, piece in enumerate(pieces):
            directory = self._folder / piece.name
            directory.mkdir(parents=True)
            account = maker.make(piece, directory, self._threads[number % len(self._threads)])
            self.made.append(MadePiece(piece, account))
        return why_unfit(self.made) or self.made

    def bring(self, made: MadePiece, name: str, target: Path) -> Path:
        target.hardlink_to(self._folder / made.piece.name / name)
        return target
