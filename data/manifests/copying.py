"""Some rows of a manifest as another manifest of the same format and columns, which can be handed in as it is.

A line of JSONL is copied byte for byte, a row of Parquet with its types, and the cells of a CSV row with the manifest's
own delimiter. (The CSV begins with a byte order mark, as the rejects file does: Excel needs it, and we take it back.)
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, islice, repeat
from pathlib import Path
from typing import TypeVar

import pyarrow.parquet

from data.manifests.csv_text import CsvManifest
from data.manifests.json_lines import JsonlManifest, read_lines
from data.manifests.parquet import ParquetManifest
from data.manifests.raw import CHUNK_ROWS, Manifest

T = TypeVar("T")


def copy_rows(manifest: Manifest, rows: Iterable[int], target: Path) -> int:
    """Write some rows to another file, and return how many.

    Args:
        manifest: Where they stand.
        rows: Their numbers, ascending; read as they are needed.
        target: Written anew. Without rows a CSV or Parquet file has its columns, and a JSONL file nothing.

    Raises:
        ManifestCorruptError: The manifest cannot be read any more.
    """
    if isinstance(manifest, CsvManifest):
        return _copy_csv(manifest, rows, target)
    if isinstance(manifest, ParquetManifest):
        return _copy_parquet(manifest, rows, target)
    assert isinstance(manifest, JsonlManifest)
    return _copy_lines(manifest, rows, target)


def _copy_csv(manifest: CsvManifest, rows: Iterable[int], target: Path) -> int:
    cells = chain.from_iterable(zip(*chunk.cells.values(), strict=True) for chunk in manifest.chunks())
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=manifest.delimiter)
        writer.writerow(manifest.columns)
        return sum(1 for row in _chosen(cells, rows) if writer.writerow(row))


def _copy_lines(manifest: JsonlManifest, rows: Iterable[int], target: Path) -> int:
    with manifest.path.open("rb") as source, target.open("wb") as file:
        return sum(1 for line in _chosen(read_lines(source), rows) if file.write(line.rstrip(b"\r\n") + b"\n"))


def _copy_parquet(manifest: ParquetManifest, rows: Iterable[int], target: Path) -> int:
    wanted, first, copied = chain(rows, repeat(None)), 1, 0
    row = next(wanted)
    with (
        pyarrow.parquet.ParquetFile(manifest.path, buffer_size=1024 * 1024, pre_buffer=False) as source,
        pyarrow.parquet.ParquetWriter(target, manifest.schema) as writer,
    ):
        for batch in source.iter_batches(CHUNK_ROWS, use_threads=False):
            inside = []
            while row is not None and row < first + batch.num_rows:
                inside.append(row - first)
                row = next(wanted)
            if inside:
                writer.write_batch(batch.take(pyarrow.array(inside)))
            first, copied = first + batch.num_rows, copied + len(inside)
    return copied


def _chosen(rows: Iterator[T], wanted: Iterable[int]) -> Iterator[T]:
    """Iterate over the rows with these numbers, which ascend; rows that the manifest does not have are left out."""
    at = 0
    for number in wanted:
        yield from islice(rows, number - at - 1, number - at)
        at = number
