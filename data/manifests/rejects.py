"""The rejects file: the rows that are not valid, as they came, with what is wrong beside them.

It has the manifest's own format and columns and four more (``error_row``, ``error_column``, ``error_code``, ``error``),
which a manifest may have and which are ignored: put the rows right and hand the file in.
"""

import csv
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import orjson
import pandas
import pyarrow
import pyarrow.parquet

from data.manifests.checking import CheckedChunk
from data.manifests.columns import ERROR_COLUMNS, LINE_COLUMN
from data.manifests.csv_text import CsvManifest
from data.manifests.parquet import ParquetManifest
from data.manifests.raw import Manifest

_SEPARATOR = "; "
_Row = dict[str, Any]


class RejectsFile(AbstractContextManager["RejectsFile"]):
    """A rejects file that is being written, chunk by chunk; whole when the ``with`` block ends.

    It has one row for each rejected one; where several things are wrong with a row, all are named, in the same order in
    each column. What is wrong with whole columns is not in it.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self._stack = ExitStack()
        self._writer = _open_writer(path, manifest, self._stack)
        self.rows = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the file."""
        self._stack.close()

    def write(self, chunk: CheckedChunk) -> None:
        """Add the rejected rows of a chunk."""
        rows = _rows(chunk)
        if rows:
            self._writer.write(rows)
            self.rows += len(rows)


class _Writer(Protocol):
    """Writes rows in one format."""

    def write(self, rows: list[_Row]) -> None: ...


class _CsvWriter:
    def __init__(self, path: Path, columns: tuple[str, ...], delimiter: str, stack: ExitStack) -> None:
        # With a byte order mark, which Excel needs and we take back.
        file = stack.enter_context(path.open("w", encoding="utf-8-sig", newline=""))
        self._writer = csv.DictWriter(file, columns, delimiter=delimiter, extrasaction="ignore")
        self._writer.writeheader()

    def write(self, rows: list[_Row]) -> None:
        self._writer.writerows(rows)


class _JsonlWriter:
    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._file = stack.enter_context(path.open("wb"))

    def write(self, rows: list[_Row]) -> None:
        for row in rows:
            given = {name: value for name, value in row.items() if value is not None}
            self._file.write(orjson.dumps(given, option=orjson.OPT_APPEND_NEWLINE))


class _ParquetWriter:
    def __init__(self, path: Path, schema: pyarrow.Schema, stack: ExitStack) -> None:
        fields = [field for field in schema if field.name.strip() not in ERROR_COLUMNS]
        types = {"error_row": pyarrow.int64()}
        errors = [pyarrow.field(name, types.get(name, pyarrow.string())) for name in ERROR_COLUMNS]
        self._schema = pyarrow.schema([*fields, *errors])
        self._writer = stack.enter_context(pyarrow.parquet.ParquetWriter(path, self._schema))

    def write(self, rows: list[_Row]) -> None:
        self._writer.write_table(pyarrow.Table.from_pylist(rows, schema=self._schema))


def _open_writer(path: Path, manifest: Manifest, stack: ExitStack) -> _Writer:
    if isinstance(manifest, CsvManifest):
        own = (name for name in manifest.columns if name.strip() not in ERROR_COLUMNS)
        return _CsvWriter(path, (*own, *ERROR_COLUMNS), manifest.delimiter, stack)
    if isinstance(manifest, ParquetManifest):
        return _ParquetWriter(path, manifest.schema, stack)
    return _JsonlWriter(path, stack)


def _rows(chunk: CheckedChunk) -> list[_Row]:
    """The rejected rows with what is wrong with them."""
    problems = _joined(chunk.errors)
    rows = []
    for row, cells in zip(chunk.rejected.index.tolist(), chunk.rejected.to_dict("records"), strict=True):
        own = {str(name): value for name, value in cells.items() if str(name).strip() not in ERROR_COLUMNS}
        line = {LINE_COLUMN: chunk.lines[row]} if row in chunk.lines else {}
        rows.append({**own, **line, "error_row": row, **problems[row]})
    return rows


def _joined(errors: pandas.DataFrame) -> dict[int, _Row]:
    """All that is wrong with a row in one entry."""
    found: dict[int, list[tuple[str, str, str]]] = {}
    for row, column, code, error in errors[["row", "column", "code", "error"]].itertuples(index=False, name=None):
        found.setdefault(row, []).append((column, code, error))
    names = ("error_column", "error_code", "error")
    return {
        row: dict(zip(names, map(_SEPARATOR.join, zip(*each, strict=True)), strict=True)) for row, each in found.items()
    }
