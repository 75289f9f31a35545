"""The manifest once more, as it was handed in: its rows in chunks for the results, and some of them again for a retry.

Rows are numbered from 1 in the order of the file; blank lines of CSV and JSONL are no rows. A retry manifest has the
input's format and columns, so it can be handed in as it is: a line of JSONL is copied byte for byte, a row of Parquet
with its types, the cells of a CSV row with the input's own delimiter.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import pandas as pd
import pyarrow.parquet as pq

ManifestFormat = Literal["csv", "jsonl", "parquet"]
CHUNK_ROWS = 5_000
_DELIMITERS = ",;\t|"


class InputManifest(Protocol):
    """A manifest in a local file. Opens it for each call and keeps nothing open."""

    columns: tuple[str, ...]
    """The input's columns in their order."""

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Iterate over the rows, a few thousand at a time; text as text, nothing interpreted."""
        ...

    def copy_rows(self, rows: Iterable[int], target: Path) -> int:
        """Write some rows to another file of the same format and return how many.

        Args:
            rows: Their numbers, ascending.
            target: Written anew; without rows it has the columns at least.
        """
        ...


def open_input(path: Path, kind: ManifestFormat) -> InputManifest:
    """Return a manifest that lies in a local file."""
    kinds: dict[ManifestFormat, Callable[[Path], InputManifest]]
    kinds = {"csv": CsvInput, "jsonl": JsonlInput, "parquet": ParquetInput}
    return kinds[kind](path)


class CsvInput:
    """A CSV manifest: UTF-8 with or without a byte-order mark, a header line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            self._delimiter = max(_DELIMITERS, key=header.count)
            file.seek(0)
            self.columns: tuple[str, ...] = tuple(next(csv.reader(file, delimiter=self._delimiter), ()))

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Iterate over the rows; every cell is text."""
        rows = self._rows()
        while cells := list(islice(rows, CHUNK_ROWS)):
            yield pd.DataFrame([self._fitted(each) for each in cells], columns=list(self.columns), dtype="str")

    def copy_rows(self, rows: Iterable[int], target: Path) -> int:
        """Write some rows to another CSV file, with the input's delimiter."""
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=self._delimiter)
            writer.writerow(self.columns)
            return sum(1 for cells in _chosen(self._rows(), rows) if writer.writerow(cells))

    def _rows(self) -> Iterator[list[str]]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=self._delimiter)
            next(reader, None)
            yield from (cells for cells in reader if cells)

    def _fitted(self, cells: list[str]) -> list[str]:
        return [*cells[: len(self.columns)], *[""] * (len(self.columns) - len(cells))]


class JsonlInput:
    """A JSONL manifest; its columns are the keys of all its lines, in the order in which they come up."""

    def __init__(self, path: Path) -> None:
        self._path = path
        names = dict.fromkeys(name for line in self._lines() for name in _object_of(line))
        self.columns: tuple[str, ...] = tuple(names)

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Iterate over the rows; values are as JSON has them, and ``None`` where a line lacks the key."""
        lines = self._lines()
        while records := [_object_of(line) for line in islice(lines, CHUNK_ROWS)]:
            cells = [[record.get(name) for name in self.columns] for record in records]
            yield pd.DataFrame(cells, columns=list(self.columns), dtype=object)

    def copy_rows(self, rows: Iterable[int], target: Path) -> int:
        """Write some lines to another file, byte for byte."""
        with target.open("wb") as file:
            return sum(1 for line in _chosen(self._lines(), rows) if file.write(line.rstrip(b"\r\n") + b"\n"))

    def _lines(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            yield from (line for line in (each.removeprefix(b"\xef\xbb\xbf") for each in file) if line.strip())


class ParquetInput:
    """A Parquet manifest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.columns: tuple[str, ...] = tuple(pq.read_schema(path).names)

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Iterate over the rows; columns keep their Arrow types."""
        with pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(CHUNK_ROWS):
                yield batch.to_pandas(types_mapper=pd.ArrowDtype)

    def copy_rows(self, rows: Iterable[int], target: Path) -> int:
        """Write some rows to another Parquet file of the same schema."""
        wanted, first, copied = iter(rows), 0, 0
        row = next(wanted, None)
        with pq.ParquetFile(self._path) as file, pq.ParquetWriter(target, file.schema_arrow) as writer:
            for batch in file.iter_batches(CHUNK_ROWS):
                inside = []
                while row is not None and row <= first + batch.num_rows:
                    inside.append(row - first - 1)
                    row = next(wanted, None)
                first += batch.num_rows
                copied += len(inside)
                if inside:
                    writer.write_batch(batch.take(inside))
        return copied


def _chosen(rows: Iterator[Any], wanted: Iterable[int]) -> Iterator[Any]:
    """Iterate over the rows with these numbers, which ascend."""
    at = 0
    for number in wanted:
        yield next(islice(rows, number - at - 1, None))
        at = number


def _object_of(line: bytes) -> dict[str, Any]:
    """Return what a line says; a line that is no JSON object was rejected, and has nothing to show."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
