"""Manifests in Parquet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.parquet

from data.domain.errors import ManifestCorruptError, ManifestEmptyError
from data.manifests.columns import refuse_repeated
from data.manifests.formats import ManifestFormat
from data.manifests.raw import CHUNK_ROWS, RawChunk


@dataclass(frozen=True)
class ParquetManifest:
    """A Parquet file."""

    path: Path
    name: str
    columns: tuple[str, ...]
    schema: pyarrow.Schema
    format: ManifestFormat = ManifestFormat.PARQUET

    def chunks(self, size: int = CHUNK_ROWS) -> Iterator[RawChunk]:
        """Iterate over the rows."""
        first_row = 1
        # Buffered: a row group of a million rows is read page by page, not whole.
        with pyarrow.parquet.ParquetFile(self.path, buffer_size=1024 * 1024, pre_buffer=False) as file:
            batches = file.iter_batches(batch_size=size, use_threads=False)
            while True:
                try:
                    batch = next(batches, None)
                    if batch is None:
                        return
                    columns = [column.to_pylist(maps_as_pydicts="lossy") for column in batch.columns]
                except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
                    raise _damaged(self.name, error) from error
                cells = dict(zip(self.columns, columns, strict=True))
                yield RawChunk(first_row, batch.num_rows, cells)
                first_row += batch.num_rows


def open_parquet(path: Path, name: str) -> ParquetManifest:
    """Return a manifest in Parquet.

    Raises:
        ManifestError: It is damaged, has no rows, or columns are there twice.
    """
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(name, error) from error
    columns = refuse_repeated(schema.names, name)
    if not rows:
        raise ManifestEmptyError(f"{name} has columns and no rows.")
    return ParquetManifest(path, name, columns, schema)


def _damaged(name: str, error: Exception) -> ManifestCorruptError:
    return ManifestCorruptError(f"{name} cannot be read as Parquet: {error}")
