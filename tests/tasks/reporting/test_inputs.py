import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.reporting.inputs import CHUNK_ROWS, InputManifest, ManifestFormat, open_input


def manifest(tmp_path: Path, kind: ManifestFormat, content: bytes) -> InputManifest:
    path = tmp_path / f"input.{kind}"
    path.write_bytes(content)
    return open_input(path, kind)


def cells(source: InputManifest) -> list[list[object]]:
    return [row for chunk in source.chunks() for row in chunk.astype(object).to_numpy().tolist()]


def test_a_csv_is_read_as_text_and_nothing_is_interpreted(tmp_path: Path) -> None:
    source = manifest(tmp_path, "csv", b'\xef\xbb\xbfsource,n\r\na.mp4,007\r\n\r\n"b\nb",NA\r\nc,\r\nd\r\n')

    assert source.columns == ("source", "n")
    assert cells(source) == [["a.mp4", "007"], ["b\nb", "NA"], ["c", ""], ["d", ""]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_chosen_rows_of_a_csv_keep_its_delimiter_and_columns(tmp_path: Path, delimiter: str) -> None:
    text = "\n".join(delimiter.join(cells) for cells in (["id", "source"], ["1", "a"], ["2", '"x, y"'], ["3", "ü"]))
    source = manifest(tmp_path, "csv", text.encode())
    target = tmp_path / "retry.csv"

    assert source.copy_rows([2, 3], target) == 2
    again = open_input(target, "csv")
    assert again.columns == ("id", "source")
    assert cells(again) == [["2", "x, y"], ["3", "ü"]]
    assert delimiter in target.read_text().splitlines()[0]


def test_chosen_lines_of_jsonl_are_copied_byte_for_byte(tmp_path: Path) -> None:
    lines = [b'{"source": "a",  "n": 1.50}', b'{"n":1e3,"source":"\\u00fc"}', b'{"source": "c", "deep": {"x": [1]}}']
    source = manifest(tmp_path, "jsonl", b"\xef\xbb\xbf" + b"\n\n".join(lines))
    target = tmp_path / "retry.jsonl"

    assert source.columns == ("source", "n", "deep")
    assert source.copy_rows([2, 3], target) == 2
    assert target.read_bytes() == lines[1] + b"\n" + lines[2] + b"\n"


def test_a_line_that_is_no_object_is_an_empty_row(tmp_path: Path) -> None:
    source = manifest(tmp_path, "jsonl", b'{"source": "a"}\nnot json\n[1]\n{"source": "b"}\n')

    assert cells(source) == [["a"], [None], [None], ["b"]]


def test_chosen_rows_of_parquet_keep_their_types(tmp_path: Path) -> None:
    path, target = tmp_path / "input.parquet", tmp_path / "retry.parquet"
    rows = list(range(1, 2 * CHUNK_ROWS + 12))
    at = pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * len(rows))
    tags = pa.array([[str(row)] for row in rows])
    table = pa.table({"n": pa.array(rows, pa.int16()), "at": at, "tags": tags})
    pq.write_table(table, path)
    wanted = [1, CHUNK_ROWS, CHUNK_ROWS + 1, rows[-1]]

    assert open_input(path, "parquet").copy_rows(wanted, target) == 4
    found = pq.read_table(target)
    assert found.schema == table.schema
    assert found["n"].to_pylist() == wanted


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_no_rows_make_a_manifest_without_rows(tmp_path: Path, kind: ManifestFormat) -> None:
    path, target = tmp_path / f"input.{kind}", tmp_path / f"retry.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"source": ["a", "b"]}), path)
    else:
        path.write_text("source\na\nb\n" if kind == "csv" else json.dumps({"source": "a"}))

    assert open_input(path, kind).copy_rows([], target) == 0
    assert cells(open_input(target, kind)) == []


def test_chunks_hold_all_rows_in_order(tmp_path: Path) -> None:
    rows = [str(row) for row in range(2 * CHUNK_ROWS + 1)]
    source = manifest(tmp_path, "csv", ("n,m\n" + "\n".join(f"{row},x" for row in rows)).encode())

    chunks = list(source.chunks())
    assert [len(chunk) for chunk in chunks] == [CHUNK_ROWS, CHUNK_ROWS, 1]
    assert [row for chunk in chunks for row in chunk["n"]] == rows
