from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from data.manifests import CHUNK_ROWS, copy_rows, open_manifest


def copied(tmp_path: Path, name: str, content: bytes, rows: Sequence[int]) -> tuple[int, Path]:
    source, target = tmp_path / name, tmp_path / f"again{Path(name).suffix}"
    source.write_bytes(content)
    return copy_rows(open_manifest(source), rows, target), target


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_rows_of_a_csv_keep_its_columns_delimiter_and_cells(tmp_path: Path, delimiter: str) -> None:
    lines = ["source,Note", "/a,007", "", '/b," x\ny"', ',""', '/c,"=1,5;\tü"', "/d,"]
    content = "\r\n".join(line.replace(",", delimiter, 1) for line in lines).encode()
    count, target = copied(tmp_path, "in.csv", content, [2, 3])

    assert count == 2
    [chunk] = open_manifest(target).chunks()
    assert chunk.cells == {"source": ["/b", "/c"], "Note": [" x\ny", "=1,5;\tü"]}
    assert target.read_text("utf-8-sig").startswith(f"source{delimiter}Note\n")


def test_lines_of_jsonl_are_copied_byte_for_byte(tmp_path: Path) -> None:
    lines = [b'{"source": "a",  "n": 1.50}', b'{"n":1e3,"source":"\\u00fc"}', b'{"source": "c", "deep": {"x": [1]}}']
    count, target = copied(tmp_path, "in.jsonl", b"\xef\xbb\xbf" + b"\r\n \n".join(lines), [1, 3])

    assert count == 2
    assert target.read_bytes() == lines[0] + b"\n" + lines[2] + b"\n"


def test_rows_of_parquet_keep_their_types_across_chunks(tmp_path: Path) -> None:
    path, target = tmp_path / "in.parquet", tmp_path / "again.parquet"
    numbers = list(range(1, 2 * CHUNK_ROWS + 12))
    at = pyarrow.array([datetime(2026, 1, 1, tzinfo=UTC)] * len(numbers))
    source = pyarrow.array([[str(row)] for row in numbers])
    table = pyarrow.table({"n": pyarrow.array(numbers, pyarrow.int32()), "at": at, "source": source})
    pyarrow.parquet.write_table(table, path)
    wanted = [1, CHUNK_ROWS, CHUNK_ROWS + 1, numbers[-1]]

    assert copy_rows(open_manifest(path), wanted, target) == 4
    found = pyarrow.parquet.read_table(target)
    assert found.schema == table.schema
    assert found["n"].to_pylist() == wanted


def test_rows_that_the_manifest_does_not_have_are_left_out(tmp_path: Path) -> None:
    assert copied(tmp_path, "in.csv", b"source\n/a\n/b\n", [2, 3, 9])[0] == 1
    assert copied(tmp_path, "in.jsonl", b'{"source": "/a"}\n', [2])[0] == 0


def test_no_rows_leave_the_columns(tmp_path: Path) -> None:
    assert copied(tmp_path, "in.csv", b"source,n\n/a,1\n", [])[1].read_text("utf-8-sig") == "source,n\n"
