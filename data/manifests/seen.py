"""Which ids came before, among millions, in 16 bytes each."""

from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

_Run = tuple[NDArray[numpy.int64], NDArray[numpy.int64]]


class SeenIds:
    """The ids of the rows so far, as 64-bit hashes with their rows; lives as long as one manifest is checked.

    Python's own hash of text is keyed anew in every process, so that nobody can write ids that collide; by chance two
    of a million do so once in about forty million manifests.

    The hashes lie in sorted runs, each at least twice as long as the next, merged as they grow: a look-up is a few
    binary searches, and all together cost n log n.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def first_rows(self, ids: Sequence[str], first_row: int) -> list[int]:
        """Note the ids of consecutive rows, and return for each the row that had it first: its own if none had.

        Args:
            ids: One a row.
            first_row: The row of the first.
        """
        rows = numpy.arange(first_row, first_row + len(ids), dtype=numpy.int64)
        hashes = numpy.fromiter(map(hash, ids), numpy.int64, len(ids))
        unique, places, inverse = numpy.unique(hashes, return_index=True, return_inverse=True)
        firsts = rows[places]
        for run in self._runs:
            firsts = numpy.minimum(firsts, _found(run, unique, firsts))
        is_new = firsts == rows[places]
        self._add((unique[is_new], firsts[is_new]))
        found: list[int] = firsts[inverse].tolist()
        return found

    @property
    def size_bytes(self) -> int:
        """What it holds in memory."""
        return sum(hashes.nbytes + rows.nbytes for hashes, rows in self._runs)

    def _add(self, run: _Run) -> None:
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            hashes, rows = (numpy.concatenate(parts) for parts in zip(*self._runs[-2:], strict=True))
            order = numpy.argsort(hashes)
            self._runs[-2:] = [(hashes[order], rows[order])]


def _found(run: _Run, hashes: NDArray[numpy.int64], otherwise: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
    """The row of each hash that the run has, and what stands in ``otherwise`` for the others."""
    known, rows = run
    if not len(known):
        return otherwise
    places = numpy.minimum(numpy.searchsorted(known, hashes), len(known) - 1)
    return numpy.where(known[places] == hashes, rows[places], otherwise)
