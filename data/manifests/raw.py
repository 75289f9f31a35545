"""A manifest as it stands in its file, whatever its format: columns, and rows a chunk at a time.

Rows are numbered from 1, without the header. Blank lines are no rows, nor are rows of CSV whose cells are all blank.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from data.domain.errors import ManifestRowMalformedError
from data.manifests.formats import ManifestFormat

T = TypeVar("T")

CHUNK_ROWS = 10_000
CHUNK_CHARACTERS = 16_000_000
"""A chunk ends early when its text is this long: rows may carry whole scripts."""
SHOWN_CHARACTERS = 2000
"""What is kept of the text of a row that is none."""


@dataclass(frozen=True)
class RawChunk:
    """Some rows as they stand in the file."""

    first_row: int
    size: int
    cells: dict[str, list[Any]]
    """By column as it is written in the file; ``None`` where the file says nothing."""
    malformed: dict[int, ManifestRowMalformedError] = field(default_factory=dict)
    """What is wrong with rows that are none, by their place in the chunk."""
    lines: dict[int, str] = field(default_factory=dict)
    """The beginning of the text of such rows, where their cells cannot hold it."""


class Manifest(Protocol):
    """A manifest file that was found readable. It holds nothing open between calls."""

    @property
    def format(self) -> ManifestFormat:
        """Its format."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns in order, as they are written; for JSONL, those of any row."""
        ...

    def chunks(self, size: int = CHUNK_ROWS) -> Iterator[RawChunk]:
        """Iterate over the rows, at most so many at a time.

        Raises:
            ManifestCorruptError: The rest cannot be read; nothing of the manifest counts then.
        """
        ...


def bounded(rows: Iterator[T], size: int, weigh: Callable[[T], int]) -> list[T]:
    """Take the next rows: so many, or as many as there is room for."""
    batch: list[T] = []
    room = CHUNK_CHARACTERS
    for row in rows:
        batch.append(row)
        room -= weigh(row)
        if len(batch) == size or room < 0:
            break
    return batch
