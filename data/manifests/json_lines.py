"""Manifests in JSONL: one JSON object a line, each with the columns that it has something to say about."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from data.domain.errors import ManifestFormatError, ManifestRowMalformedError
from data.manifests.columns import MAX_COLUMNS, refuse_repeated
from data.manifests.formats import ManifestFormat
from data.manifests.raw import CHUNK_ROWS, SHOWN_CHARACTERS, RawChunk, bounded


@dataclass(frozen=True)
class JsonlManifest:
    """One JSON object a line."""

    path: Path
    name: str
    columns: tuple[str, ...]
    format: ManifestFormat = ManifestFormat.JSONL

    def chunks(self, size: int = CHUNK_ROWS) -> Iterator[RawChunk]:
        """Iterate over the rows; a line that is no JSON object is malformed."""
        first_row = 1
        with self.path.open("rb") as file:
            lines = read_lines(file)
            while batch := bounded(lines, size, len):
                yield self._chunk(first_row, batch)
                first_row += len(batch)

    def _chunk(self, first_row: int, lines: list[bytes]) -> RawChunk:
        malformed, kept, rows = {}, {}, []
        for place, line in enumerate(lines):
            try:
                rows.append(_json_object(line))
            except ManifestRowMalformedError as error:
                rows.append({})
                malformed[place] = error
                kept[place] = line[:SHOWN_CHARACTERS].decode(errors="replace")
        cells = {column: [row.get(column) for row in rows] for column in self.columns}
        return RawChunk(first_row, len(rows), cells, malformed, kept)


def open_jsonl(path: Path, name: str) -> JsonlManifest:
    """Read all names first: whether a column is known must not depend on how far one has read.

    Raises:
        ManifestError: It does not begin with an object on one line, or has far too many columns.
    """
    columns: dict[str, None] = {}
    with path.open("rb") as file:
        for number, line in enumerate(read_lines(file), 1):
            try:
                columns |= dict.fromkeys(_json_object(line))
            except ManifestRowMalformedError as error:
                if number == 1:
                    raise ManifestFormatError(
                        f"{name} does not begin with a JSON object on one line; write one object a line (jq -c .)."
                    ) from error
                continue  # reported with its row
            if len(columns) > MAX_COLUMNS:
                break
    return JsonlManifest(path, name, refuse_repeated(columns, name))


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Iterate over the lines that are rows, as they stand in the file."""
    if file.read(len(BOM_UTF8)) != BOM_UTF8:
        file.seek(0)
    return (line for line in file if not line.isspace())


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ManifestRowMalformedError(f"The line is no JSON: {error}.") from error
    if not isinstance(row, dict):
        raise ManifestRowMalformedError("The line is no JSON object ({…}).")
    return row
