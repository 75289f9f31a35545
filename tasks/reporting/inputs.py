"""The manifest once more, as pandas frames in its own columns: what the results are joined to."""

from collections.abc import Iterator

import pandas as pd
import pyarrow.parquet as pq

from data.manifests import Manifest
from data.manifests.parquet import ParquetManifest

CHUNK_ROWS = 5_000


def input_frames(manifest: Manifest) -> Iterator[pd.DataFrame]:
    """Iterate over the rows, some thousands at a time, nothing being interpreted.

    Cells of CSV are text, those of JSONL what JSON says (``None`` where a line lacks the key), and columns of Parquet
    keep their Arrow types.

    Raises:
        ManifestCorruptError: The manifest cannot be read any more.
    """
    if isinstance(manifest, ParquetManifest):
        yield from _typed(manifest)
        return
    for chunk in manifest.chunks(CHUNK_ROWS):
        yield pd.DataFrame(chunk.cells, columns=list(manifest.columns), dtype=object)


def _typed(manifest: ParquetManifest) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(manifest.path, buffer_size=1024 * 1024, pre_buffer=False) as file:
        for batch in file.iter_batches(CHUNK_ROWS, use_threads=False):
            yield batch.to_pandas(types_mapper=pd.ArrowDtype)
