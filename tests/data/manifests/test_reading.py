"""Manifests are read as people's tools write them, a chunk at a time, and every row once."""

import csv
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.domain.errors import (
    ManifestColumnsError,
    ManifestCorruptError,
    ManifestEmptyError,
    ManifestError,
    ManifestFormatError,
)
from data.manifests import open_manifest
from data.manifests.raw import RawChunk
from tests.fakes.manifests import FORMATS, write_manifest


def write(folder: Path, content: str | bytes, name: str = "manifest.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(chunks: list[RawChunk]) -> list[dict[str, Any]]:
    return [
        {name: cells[place] for name, cells in chunk.cells.items()} for chunk in chunks for place in range(chunk.size)
    ]


def read(path: Path) -> list[dict[str, Any]]:
    return rows(list(open_manifest(path).chunks()))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_every_row_comes_once_and_in_order_whatever_the_chunks(tmp_path: Path, kind: str, size: int) -> None:
    given = [{"source": f"/srv/{number}.mp4", "title": f"N° {number}"} for number in range(1, 22)]

    chunks = list(open_manifest(write_manifest(tmp_path, given, kind)).chunks(size))

    assert rows(chunks) == given
    assert [chunk.first_row for chunk in chunks] == list(range(1, 22, size))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_csv_is_taken_as_spreadsheets_write_it(tmp_path: Path, delimiter: str, mark: bytes, newline: str) -> None:
    lines = [f"source{delimiter}title", f'"/srv/a.mp4"{delimiter}"Two{newline}lines, ""quoted""; so"', ""]

    assert read(write(tmp_path, mark + newline.join(lines).encode())) == [
        {"source": "/srv/a.mp4", "title": f'Two{newline}lines, "quoted"; so'}
    ]


def test_the_delimiter_is_the_one_that_makes_known_columns(tmp_path: Path) -> None:
    text = 'source;title;"metadata.a,b,c,d"\n/srv/a.mp4;A, B, C, D;x\n'

    assert list(read(write(tmp_path, text))[0]) == ["source", "title", "metadata.a,b,c,d"]


def test_blank_lines_and_the_blank_rows_of_spreadsheets_are_no_rows(tmp_path: Path) -> None:
    assert [row["source"] for row in read(write(tmp_path, "\nsource,title\n\n/a,A\n,\n  , \n/b,B\n,,\n"))] == [
        "/a",
        "/b",
    ]
    assert len(read(write(tmp_path, '{"source": "/a"}\n\n  \n{"source": "/b"}', "m.jsonl"))) == 2


@pytest.mark.parametrize(
    ("content", "name", "error", "advice"),
    [
        ("source,title\n", "m.csv", ManifestEmptyError, "no rows"),
        ("source,title", "m.csv", ManifestEmptyError, "no rows"),
        (",,,\n", "m.csv", ManifestEmptyError, "no rows"),
        ("source,title, source\n/a,b,c\n", "m.csv", ManifestColumnsError, "twice: source"),
        (",".join(f"metadata.{i}" for i in range(1001)) + "\n1\n", "m.csv", ManifestColumnsError, "1000"),
        ('source,"title\n/a,b\n', "m.csv", ManifestCorruptError, "doubled"),
        ('{\n  "source": "/a"\n}\n', "m.jsonl", ManifestFormatError, "jq -c"),
    ],
)
def test_a_file_that_makes_no_table_is_refused(
    tmp_path: Path, content: str, name: str, error: type[ManifestError], advice: str
) -> None:
    with pytest.raises(error) as caught:
        open_manifest(write(tmp_path, content, name))
    assert advice in caught.value.message


@pytest.mark.parametrize("row", ['"/a" x,b', '"/a,b', "x" * 500_000 + ",b"])
def test_quotes_that_do_not_match_are_told_with_their_line(tmp_path: Path, row: str) -> None:
    manifest = open_manifest(write(tmp_path, f"source,title\n/a,b\n/a,b\n{row}\n"))

    with pytest.raises(ManifestCorruptError) as caught:
        list(manifest.chunks())
    assert caught.value.facts["line"] in (3, 4)


def test_rows_of_another_width_are_malformed_and_lose_nothing(tmp_path: Path) -> None:
    chunk = next(open_manifest(write(tmp_path, "source,title\n/a,A\n/b\n/c,One, two, three\n")).chunks())

    assert set(chunk.malformed) == {1, 2}
    assert "quotes" in chunk.malformed[2].message
    assert chunk.cells == {"source": ["/a", "/b", "/c"], "title": ["A", "", "One, two, three"]}


def test_lines_that_are_no_objects_are_malformed_and_kept(tmp_path: Path) -> None:
    lines = ['{"source": "/a"}', "[1]", '{"source": "/b"', "7"]
    chunk = next(open_manifest(write(tmp_path, "\n".join(lines), "m.jsonl")).chunks())

    assert set(chunk.malformed) == {1, 2, 3}
    assert {place: line.strip() for place, line in chunk.lines.items()} == {1: "[1]", 2: '{"source": "/b"', 3: "7"}


def test_the_columns_of_jsonl_are_those_of_any_row(tmp_path: Path) -> None:
    lines = [json.dumps({"source": "/a"})] * 30 + [json.dumps({"source": "/b", "title": "B"})]
    manifest = open_manifest(write(tmp_path, "\n".join(lines), "m.jsonl"))

    assert manifest.columns == ("source", "title")
    assert next(manifest.chunks(10)).cells["title"] == [None] * 10


def test_a_chunk_ends_early_where_rows_are_long(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, [{"script": "x" * 200_000} for _ in range(90)])

    chunks = list(open_manifest(path).chunks())

    assert len(chunks) > 1
    assert sum(chunk.size for chunk in chunks) == 90


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    rows = [{"source": f"/srv/{number:050d}.mp4"} for number in range(5000)]
    content = bytearray(write_manifest(tmp_path, rows, "parquet").read_bytes())
    content[100:2000] = bytes(1900)

    with pytest.raises(ManifestCorruptError):
        read(write(tmp_path, bytes(content), "m.parquet"))
    with pytest.raises(ManifestCorruptError):
        open_manifest(write(tmp_path, b"PAR1" + bytes(100) + b"PAR1", "m.parquet"))


def test_parquet_without_rows_or_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    column = pyarrow.array(["/a"])
    pyarrow.parquet.write_table(pyarrow.table([column, column], names=["source", "source"]), tmp_path / "twice.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"source": column.slice(0, 0)}), tmp_path / "none.parquet")

    with pytest.raises(ManifestColumnsError):
        open_manifest(tmp_path / "twice.parquet")
    with pytest.raises(ManifestEmptyError):
        open_manifest(tmp_path / "none.parquet")


cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)


@settings(max_examples=40)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8), st.sampled_from([",", ";", "\t"]))
def test_whatever_text_a_csv_writer_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "m.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("source", "title"), *pairs])
    kept = [pair for pair in pairs if not "".join(pair).isspace() and any(pair)]

    try:
        found = [(row["source"], row["title"]) for row in read(path)]
    except ManifestEmptyError:
        found = []

    assert found == kept


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_whatever_bytes_come_the_answer_is_rows_or_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "m"
    for each in (content, b"source,title\n" + content, b'{"source": 1}\n' + content, b"PAR1" + content + b"PAR1"):
        path.write_bytes(each)
        with suppress(ManifestError):
            read(path)
