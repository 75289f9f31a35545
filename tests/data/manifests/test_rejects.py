"""The rejects file is the manifest's own kind: put right, it can be handed in."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from data.domain.sources import SourceRules
from data.manifests import ManifestRules, RejectsFile, check_manifest, open_manifest
from data.recipes import load_recipe
from tests.fakes.manifests import FORMATS, write_manifest

RULES = ManifestRules(load_recipe, SourceRules(allowed_roots=(Path("/srv/media"),)), check_files=False)
ERRORS = ["error_row", "error_column", "error_code", "error"]


def reject(path: Path, chunk_rows: int = 2) -> tuple[Path, int]:
    manifest = open_manifest(path)
    target = path.with_name(f"rejects-{path.name}")
    with RejectsFile(target, manifest) as rejects:
        for chunk in check_manifest(manifest, RULES, chunk_rows):
            rejects.write(chunk)
    return target, rejects.rows


def read(path: Path) -> list[dict[str, Any]]:
    return [
        {name: cells[place] for name, cells in chunk.cells.items()}
        for chunk in open_manifest(path).chunks()
        for place in range(chunk.size)
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_rejected_rows_are_kept_as_they_came_with_what_is_wrong(tmp_path: Path, kind: str) -> None:
    rows = [{"source": f"/srv/media/{number}.mp4", "title": "x", "priority": "high"} for number in range(1, 6)]
    rows[1] |= {"title": 'Quoted "one", two;\nthree'} | {"source": "/etc/passwd"}
    rows[4] |= {"priority": "urgent", "source": ""}

    target, count = reject(write_manifest(tmp_path, rows, kind))

    kept = read(target)
    assert count == len(kept) == 2
    assert [{name: row[name] for name in rows[0]} for row in kept] == [rows[1], rows[4]]
    assert list(kept[0]) == [*rows[0], *ERRORS]
    assert [int(row["error_row"]) for row in kept] == [2, 5]
    assert kept[0]["error_column"] == "source"
    assert kept[0]["error_code"] == "DATA.SOURCE.FORBIDDEN"
    assert kept[1]["error_code"].split("; ") == ["DATA.MANIFEST.VALUE", "DATA.MANIFEST.INPUT"]
    assert kept[1]["error_column"].split("; ") == ["priority", "source"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_rejects_file_can_be_checked_again(tmp_path: Path, kind: str) -> None:
    target, _ = reject(write_manifest(tmp_path, [{"source": "/etc/passwd", "title": "x"}], kind))

    again, count = reject(target)

    assert count == 1
    assert list(read(again)[0]) == ["source", "title", *ERRORS]


def test_semicolons_stay_semicolons(tmp_path: Path) -> None:
    rows = [{"source": "/etc/passwd", "title": "a, b"}]

    target, _ = reject(write_manifest(tmp_path, rows, delimiter=";"))

    assert target.read_text(encoding="utf-8-sig").startswith("source;title;error_row;")
    assert target.read_bytes().startswith(b"\xef\xbb\xbf")


def test_rows_that_are_none_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("source,title\n/srv/media/a.mp4,One, two\n")
    (tmp_path / "m.jsonl").write_text('{"source": "/srv/media/a.mp4"}\n{"source": oops}\n')

    by_csv, _ = reject(tmp_path / "m.csv")
    by_json, _ = reject(tmp_path / "m.jsonl")

    assert read(by_csv)[0]["title"] == "One, two"
    assert json.loads(by_json.read_text())["error_line"] == '{"source": oops}\n'


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    schema = pyarrow.schema(
        {
            "source": pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
            "not_before": pyarrow.timestamp("us", tz="Europe/Berlin"),
            "metadata.price": pyarrow.decimal128(8, 2),
            "metadata.tags": pyarrow.list_(pyarrow.string()),
            "metadata": pyarrow.map_(pyarrow.string(), pyarrow.int64()),
        }
    )
    row = {"source": "/etc/passwd", "not_before": 1_000_000, "metadata.price": Decimal("1.50"),
           "metadata.tags": ["a"], "metadata": [("n", 1)]}  # fmt: skip
    table = pyarrow.Table.from_pylist([row, {**row, "source": None}], schema=schema)
    pyarrow.parquet.write_table(table, tmp_path / "m.parquet")

    target, count = reject(tmp_path / "m.parquet")

    kept = pyarrow.parquet.read_table(target)
    assert count == 2
    assert kept.schema.names == [*schema.names, *ERRORS]
    assert kept.select(schema.names).to_pylist() == table.to_pylist()


def test_a_manifest_without_faults_has_an_empty_rejects_file(tmp_path: Path) -> None:
    target, count = reject(write_manifest(tmp_path, [{"source": "/srv/media/a.mp4"}]))

    assert count == 0
    assert len(target.read_text(encoding="utf-8-sig").splitlines()) == 1
