"""The results manifest: the rows that were handed in, in their own columns, with what became of each.

results_frame   items and publications → our columns
joined          rows of the input + our columns
ResultsWriter   chunks of that → one Parquet file and one CSV file, side by side
"""

import json
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.domain.batches import BatchItem, ItemState
from data.domain.copies import TargetCopy
from data.domain.publications import PublicationManifest
from tasks.reporting.columns import MOMENT, PREFIX, SCHEMA, TEXT_COLUMNS

Publications = Mapping[tuple[str, int], PublicationManifest]
"""Publications by asset id and version."""
Copies = Mapping[tuple[str, int], Collection[TargetCopy]]
"""Copies at publish targets, by asset id and version."""

SOURCE_LIMIT = 500
"""Most characters of a source or prompt in our own column; the input's column has them all."""

_ROW = f"{PREFIX}row"
_FORMULA = r"^([=+\-@\t\r\n＝＋－＠])"
"""How a cell begins that a spreadsheet takes for a formula (OWASP, CSV injection; some take the wide forms, too)."""


def results_frame(
    items: Iterable[BatchItem], publications: Publications, copies: Copies = MappingProxyType({})
) -> pd.DataFrame:
    """Return our columns for some items, one row each, in the order of the items.

    Args:
        items: A chunk of a batch's items.
        publications: What they published, or found published; a publication that is not there leaves its columns empty.
        copies: What publish targets have of these.
    """
    records = [
        _record(item, publications.get(key), copies.get(key, ()))
        for item in items
        for key in [(item.asset_id or "", item.version or 0)]
    ]
    table = pa.Table.from_pylist([{PREFIX + name: value for name, value in each.items()} for each in records], SCHEMA)
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _record(item: BatchItem, publication: PublicationManifest | None, copies: Collection[TargetCopy]) -> dict[str, Any]:
    return {
        "row": item.row,
        "custom_id": item.own_id,
        "source": (item.source or item.prompt or item.script)[:SOURCE_LIMIT] or None,
        "recipe": item.recipe,
        "state": item.state.value,
        "reason": item.reason,
        "step": item.step if item.state in (ItemState.FAILED, ItemState.CANCELLED) else None,
        "failure_class": item.failure_class,
        "code": item.code,
        "message": item.message or None,
        "attempts": item.attempt,
        "started_at": item.started_at,
        "ended_at": item.ended_at,
        "wall_seconds": _wall_seconds(item),
        "cost": item.cost,
        "run_id": item.run_id,
        "asset_id": item.asset_id,
        "version": item.version,
        "title": item.title or None,
        **(_published(publication) if publication else {}),
        "copied_to": " ".join(copy.target.name for copy in copies) or None,
        "copied_bytes": sum(copy.size_bytes for copy in copies) if copies else None,
    }


def _wall_seconds(item: BatchItem) -> float | None:
    if item.started_at is None or item.ended_at is None:
        return None
    return (item.ended_at - item.started_at).total_seconds()


def _published(manifest: PublicationManifest) -> dict[str, Any]:
    return {
        "title": manifest.title,
        "source_sha256": manifest.source_sha256,
        "source_bytes": manifest.source.size_bytes,
        "duration_seconds": manifest.duration_seconds,
        "renditions": len(manifest.renditions),
        "content_key": manifest.content_key,
        "published_bytes": sum(manifest.files.values()),
        "published_at": manifest.published_at,
        "hls_key": manifest.prefix + manifest.hls_path,
        "dash_key": manifest.prefix + manifest.dash_path,
        "mp4_key": manifest.prefix + manifest.mp4_path,
        "poster_key": manifest.prefix + manifest.poster_path,
        "captions_keys": " ".join(manifest.prefix + track.vtt_path for track in manifest.captions) or None,
        "caption_languages": " ".join(track.language for track in manifest.captions) or None,
    }


def joined(inputs: pd.DataFrame, results: pd.DataFrame, first_row: int) -> pd.DataFrame:
    """Return rows of the input in their own columns, with our columns behind.

    Args:
        inputs: Consecutive rows of the manifest.
        results: Our columns for items of these rows, in any order; a row without an item has only its number.
        first_row: Number of the first of the input's rows.
    """
    rows = pd.Index(range(first_row, first_row + len(inputs)))
    ours = results.set_index(_ROW, drop=False).reindex(rows)
    ours[_ROW] = rows.astype(results[_ROW].dtype)
    theirs = inputs.drop(columns=[name for name in inputs.columns if name in SCHEMA.names])
    return pd.concat([theirs.set_axis(rows), ours], axis=1)


class ResultsWriter:
    """Writes chunks of a results manifest as Parquet and CSV at once. Used as a context manager; holds one chunk.

    Args:
        parquet: Where the Parquet file goes. Columns of the input that have an Arrow type (those of a Parquet manifest)
            keep it, all others are text: strings as they are, other values as JSON.
        csv: Where the CSV file goes: UTF-8 with the byte order mark that Excel needs, comma, RFC 4180 quotes, a header.
        columns: Names of the input's columns, also of those that come up in later chunks only.
    """

    def __init__(self, parquet: Path, csv: Path, columns: Iterable[str]) -> None:
        self._parquet_path = parquet
        self._columns = [name for name in columns if name not in SCHEMA.names]
        self._csv = csv.open("w", encoding="utf-8-sig", newline="")
        self._parquet: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish both files; without any row they have their columns at least."""
        if self._parquet is None and kind is None:
            nothing = pd.DataFrame({name: pd.Series(dtype="str") for name in self._columns})
            self.write(joined(nothing, results_frame((), {}), 1))
        if self._parquet is not None:
            self._parquet.close()
        self._csv.close()

    def write(self, chunk: pd.DataFrame) -> None:
        """Add rows, as :func:`joined` gives them.

        Raises:
            pyarrow.ArrowInvalid: A column changed its type between chunks.
        """
        chunk = chunk.reindex(columns=[*self._columns, *SCHEMA.names])
        table = pa.Table.from_arrays([_arrow(chunk[name]) for name in chunk], names=list(chunk.columns))
        if self._parquet is None:
            theirs = [pa.field(name, table.schema.field(name).type) for name in self._columns]
            self._parquet = pq.ParquetWriter(self._parquet_path, pa.schema([*theirs, *SCHEMA]), compression="zstd")
            self._write_csv(chunk, table.schema, header=True)
        else:
            self._write_csv(chunk, table.schema, header=False)
        self._parquet.write_table(table.cast(self._parquet.schema))

    def _write_csv(self, chunk: pd.DataFrame, schema: pa.Schema, *, header: bool) -> None:
        cells = {name: _text(chunk[name]) for name in self._columns}
        for name in SCHEMA.names:
            cells[name] = _stamped(chunk[name]) if schema.field(name).type == MOMENT else chunk[name]
            if name in TEXT_COLUMNS:
                cells[name] = chunk[name].str.replace(_FORMULA, r"'\1", regex=True)
        pd.DataFrame(cells, columns=[*self._columns, *SCHEMA.names]).to_csv(
            self._csv, index=False, header=header, lineterminator="\r\n"
        )


def _arrow(column: "pd.Series[Any]") -> pa.Array:
    """Return a column as Arrow has it: its own type where it has one, else text."""
    if isinstance(column.dtype, pd.ArrowDtype):
        return pa.array(column, type=column.dtype.pyarrow_dtype)
    return pa.array(_text(column), type=pa.string(), from_pandas=True)


def _text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of the input as text: strings as they are, nothing as nothing, lists and mappings as JSON."""
    dtype = column.dtype
    if isinstance(dtype, pd.ArrowDtype) and not pa.types.is_nested(dtype.pyarrow_dtype):
        return column
    return column.astype(object).map(_loose).astype(object)


def _loose(value: object) -> object:
    if value is None or value is pd.NA or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> object:
    """What JSON has no word for, and Parquet has: arrays as lists, all else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _stamped(column: "pd.Series[Any]") -> "pd.Series[Any]":
    stamps: pd.Series[Any] = column.dt.strftime("%Y-%m-%dT%H:%M:%SZ")  # Arrow's %S has the milliseconds
    return stamps
