"""Telemetry as Parquet and CSV, written while the analysis goes on: memory does not grow with the video.

``telemetry.parquet`` and ``telemetry.csv``: one row a track and frame that was looked at.

==========  =======  ================================================================================================
track       int32    number of the track, from 1, in the order in which they appear
label       string   what was detected: ``moving``, ``face``, a label of the model; in CSV with an apostrophe in front
                     if a spreadsheet would take it for a formula
frame       int64    number of the frame, from 0, at the video's rate
at_seconds  float64  time of the frame, in seconds of the video
left        float32  left edge of the box, as a share (0-1) of the picture's width
top         float32  upper edge of the box, as a share (0-1) of the picture's height
width       float32  of the box, as a share (0-1) of the picture's width
height      float32  of the box, as a share (0-1) of the picture's height
confidence  float32  of this detection, 0-1
speed       float32  picture widths a second by which the middle of the box moves
==========  =======  ================================================================================================

``frames.parquet`` and ``frames.csv``: one row a frame that was looked at.

===========  =======  ===============================================================================================
frame        int64    number of the frame, from 0, at the video's rate
at_seconds   float64  time of the frame, in seconds of the video
track_count  int32    tracks that are seen in it
motion       float32  share (0-1) of the picture that differs from the frame looked at before
sharpness    float32  natural logarithm of 1 + the variance of the Laplacian of the grey picture of 192 pixels, measured
                      five times a second
brightness   float32  mean of the grey picture, 0-1
===========  =======  ===============================================================================================
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from tasks.models.analysis.sink import FrameRow, TrackRow

if TYPE_CHECKING:  # loaded when a table is written: its allocator starts a thread, which a fork server cannot have
    import pyarrow

_GROUP_ROWS = 16_384
_READ_ROWS = 2048
_TYPES = {
    "track": "int32",
    "label": "string",
    "frame": "int64",
    "at_seconds": "float64",
    "track_count": "int32",
}
"""Of columns that are no ``float32``."""
_FORMULA = r"^([=+\-@\t\r\n])"

Row = TypeVar("Row", TrackRow, FrameRow)


@dataclass(frozen=True)
class TablePaths:
    """Where a table is written."""

    parquet: Path
    csv: Path


class Table(Generic[Row]):
    """Writes rows as Parquet and as CSV; lives as long as one analysis, and is whole once it was closed."""

    def __init__(self, kind: type[Row], paths: TablePaths) -> None:
        import pyarrow.csv
        import pyarrow.parquet

        self._names: tuple[str, ...] = kind._fields
        self._schema = _schema(self._names)
        self._rows: list[Row] = []
        self._parquet = pyarrow.parquet.ParquetWriter(paths.parquet, self._schema, compression="zstd")
        self._csv = pyarrow.csv.CSVWriter(str(paths.csv), self._schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is left, and end both files."""
        self._flush()
        self._parquet.close()
        self._csv.close()

    def extend(self, rows: Iterable[Row]) -> None:
        """Take rows."""
        self._rows += rows
        if len(self._rows) >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        if not self._rows:
            return
        columns = [
            pyarrow.array(column, self._schema.field(name).type)
            for name, column in zip(self._names, zip(*self._rows, strict=True), strict=True)
        ]
        table = pyarrow.Table.from_arrays(columns, schema=self._schema)
        self._parquet.write_table(table)
        self._csv.write_table(_without_formulas(table))
        self._rows.clear()


def _without_formulas(table: "pyarrow.Table") -> "pyarrow.Table":
    """Put an apostrophe before labels that a spreadsheet would run: a model's file may hold anything."""
    import pyarrow.compute

    if "label" not in table.schema.names:
        return table
    safe = pyarrow.compute.replace_substring_regex(table["label"], _FORMULA, r"'\1")
    return table.set_column(table.schema.names.index("label"), "label", safe)


def _schema(names: Sequence[str]) -> "pyarrow.Schema":
    import pyarrow

    return pyarrow.schema([(name, pyarrow.type_for_alias(_TYPES.get(name, "float32"))) for name in names])


def read_tracks(path: Path) -> Iterator[tuple[int, tuple[TrackRow, ...]]]:
    """Give the rows of a telemetry table frame by frame, in order; frames without a track are left out."""
    frame, rows = -1, list[TrackRow]()
    for row in _read(path):
        if row.frame != frame and rows:
            yield frame, tuple(rows)
            rows = []
        frame = row.frame
        rows.append(row)
    if rows:
        yield frame, tuple(rows)


def _read(path: Path) -> Iterator[TrackRow]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path, buffer_size=1024 * 1024, pre_buffer=False) as file:
        for batch in file.iter_batches(_READ_ROWS):
            values: list[dict[str, Any]] = batch.to_pylist()
            yield from (TrackRow(**each) for each in values)
