"""Manifests in CSV: UTF-8 with or without a byte order mark; comma, semicolon or tab, told by the header."""

import csv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from data.domain.errors import ManifestCorruptError, ManifestEmptyError, ManifestRowMalformedError
from data.manifests.columns import is_known, refuse_repeated
from data.manifests.formats import ManifestFormat
from data.manifests.raw import CHUNK_ROWS, RawChunk, bounded

MAX_CELL_CHARACTERS = 400_000
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class CsvManifest:
    """Comma, semicolon or tab separated text with a header."""

    path: Path
    name: str
    columns: tuple[str, ...]
    delimiter: str
    format: ManifestFormat = ManifestFormat.CSV

    def chunks(self, size: int = CHUNK_ROWS) -> Iterator[RawChunk]:
        """Iterate over the rows; a row that is too short or too long is malformed."""
        first_row = 1
        with _text(self.path) as file:
            rows = _csv_rows(file, self.delimiter, self.name)
            next(rows)
            while batch := bounded(rows, size, _characters):
                yield self._chunk(first_row, batch)
                first_row += len(batch)

    def _chunk(self, first_row: int, rows: list[list[str]]) -> RawChunk:
        width, malformed = len(self.columns), {}
        for place, row in enumerate(rows):
            if len(row) != width:
                malformed[place] = _ragged(len(row), width, self.delimiter)
                rows[place] = _squared(row, width, self.delimiter)
        cells = dict(zip(self.columns, map(list, zip(*rows, strict=True)), strict=True))
        return RawChunk(first_row, len(rows), cells, malformed)


def open_csv(path: Path, name: str) -> CsvManifest:
    """Return a manifest in CSV; the delimiter is the one by which most columns are known.

    Raises:
        ManifestError: It has no rows, its quotes do not match, or columns are there twice.
    """
    delimiter = _delimiter(path, name)
    with _text(path) as file:
        rows = list(islice(_csv_rows(file, delimiter, name), 2))
    columns = refuse_repeated(rows[0] if rows else (), name)
    if len(rows) < 2:
        raise ManifestEmptyError(f"{name} has a header and no rows.")
    return CsvManifest(path, name, columns, delimiter)


def _delimiter(path: Path, name: str) -> str:
    headers = {delimiter: header for delimiter in DELIMITERS if (header := _header(path, name, delimiter))}
    if not any(is_known(name) for header in headers.values() for name in header):
        unreadable = [delimiter for delimiter in DELIMITERS if delimiter not in headers]
        if unreadable:  # nothing makes sense; a delimiter with which the quotes do not match says why
            return unreadable[0]
    return max(headers, key=lambda delimiter: (sum(map(is_known, headers[delimiter])), len(headers[delimiter])))


def _header(path: Path, name: str, delimiter: str) -> list[str]:
    """The names that a delimiter makes of the header; none where its quotes make no sense with it."""
    with _text(path) as file, suppress(ManifestCorruptError):
        return next(_csv_rows(file, delimiter, name), [])
    return []


def _text(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", newline="")


def _csv_rows(file: TextIO, delimiter: str, name: str) -> Iterator[list[str]]:
    csv.field_size_limit(MAX_CELL_CHARACTERS)  # of the process; the default of 131,072 is less than a script may have
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if any(row) and not "".join(row).isspace():
                yield row
    except csv.Error as error:
        raise ManifestCorruptError(
            f"{name} cannot be read after line {reader.line_num}: {error}. A cell with quotes, delimiters or line "
            f'breaks is written in quotes, and its own quotes are doubled: "a ""b"" c".',
            {"line": reader.line_num},
        ) from error


def _squared(row: list[str], width: int, delimiter: str) -> list[str]:
    """A row of the header's width: blank cells for what it lacks, and what is too much in the last one."""
    if len(row) < width:
        return [*row, *[""] * (width - len(row))]
    return [*row[: width - 1], delimiter.join(row[width - 1 :])]


def _ragged(found: int, width: int, delimiter: str) -> ManifestRowMalformedError:
    hint = f" A cell that contains {delimiter!r} needs quotes." if found > width else ""
    return ManifestRowMalformedError(f"The row has {found} cells, the header {width}.{hint}")


def _characters(row: list[str]) -> int:
    return sum(map(len, row))
