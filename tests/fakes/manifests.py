"""Manifests written from rows, in each format."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

FORMATS = ("csv", "jsonl", "parquet")


def write_manifest(folder: Path, rows: Sequence[dict[str, Any]], kind: str = "csv", delimiter: str = ",") -> Path:
    """Write rows, which all have the same columns; lists and mappings are JSON text in CSV."""
    path = folder / f"manifest.{kind}"
    if kind == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    return path


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
