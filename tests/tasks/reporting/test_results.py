import csv
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.domain.batches import BatchItem
from data.domain.copies import copy_of
from data.domain.targets import PublishTarget
from tasks.reporting.columns import COLUMNS, PREFIX, SCHEMA
from tasks.reporting.results import ResultsWriter, joined, results_frame
from tasks.reporting.tally import NightTally
from tests.fakes.nights import BEGINS, failed_item, newsroom_items, sample_batch, sample_item, sample_publications


def write(tmp_path: Path, *chunks: tuple[pd.DataFrame, list[BatchItem]]) -> tuple[pa.Table, list[dict[str, str]]]:
    """Write results and read them back from both files."""
    parquet, comma, row = tmp_path / "results.parquet", tmp_path / "results.csv", 1
    columns = dict.fromkeys(name for inputs, _ in chunks for name in inputs.columns)
    with ResultsWriter(parquet, comma, columns) as writer:
        for inputs, items in chunks:
            writer.write(joined(inputs, results_frame(items, sample_publications()), row))
            row += len(inputs)
    with comma.open(encoding="utf-8-sig", newline="") as file:
        return pq.read_table(parquet), list(csv.DictReader(file))


def texts(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype="str")


def test_the_inputs_columns_come_first_and_as_they_were(tmp_path: Path) -> None:
    source = [" a.mp4", "=1+1", 'say "hi"\nü, 日本', ""]
    inputs = texts(source=source, code=["007", "1e5", "TRUE", "NA"])
    table, rows = write(tmp_path, (inputs, [sample_item(n) for n in range(1, 5)]))

    assert table.column_names == ["source", "code", *SCHEMA.names]
    assert table["source"].to_pylist() == source
    assert table["code"].to_pylist() == ["007", "1e5", "TRUE", "NA"]
    assert [row["source"] for row in rows] == source
    assert [row["code"] for row in rows] == ["007", "1e5", "TRUE", "NA"]


def test_a_row_says_which_targets_have_it_and_the_report_adds_that_up() -> None:
    (asset_id, version), manifest = next(iter(sample_publications().items()))
    copies = [
        copy_of(manifest, PublishTarget(name=name, url=f"s3://{name}"), "job").model_copy(update={"size_bytes": 5})
        for name in ("cdn", "site")
    ]
    items = [sample_item(1, asset_id=asset_id, version=version), sample_item(2)]

    frame = results_frame(items, sample_publications(), {(asset_id, version): copies})
    tally = NightTally()
    tally.add(frame)

    assert frame["dailies_copied_to"].fillna("").to_list() == ["cdn site", ""]
    assert frame["dailies_copied_bytes"].fillna(0).to_list() == [10, 0]
    assert tally.facts(sample_batch(), 2, made_at=BEGINS).copied_bytes == 10


def test_a_published_row_says_where_everything_lies(tmp_path: Path) -> None:
    (asset_id, version), manifest = next(iter(sample_publications().items()))
    item = sample_item(1, asset_id=asset_id, version=version, cost=0.5, run_id="run-1", step="publish")
    table, [row] = write(tmp_path, (texts(source=["a"]), [item]))

    [found] = table.to_pylist()
    assert found["dailies_state"] == "succeeded"
    assert found["dailies_step"] is None
    assert found["dailies_hls_key"] == f"{manifest.prefix}master.m3u8"
    assert found["dailies_mp4_key"] == f"{manifest.prefix}video.mp4"
    assert found["dailies_source_sha256"] == manifest.source_sha256
    assert found["dailies_source_bytes"] == 6_000_000_000
    assert found["dailies_wall_seconds"] == 20.0
    assert found["dailies_started_at"] == BEGINS
    assert (found["dailies_renditions"], found["dailies_cost"], found["dailies_run_id"]) == (2, 0.5, "run-1")
    assert row["dailies_started_at"] == "2026-11-21T21:03:12.000Z"
    assert row["dailies_renditions"] == "2"


def test_a_failed_row_says_why_and_has_no_outputs(tmp_path: Path) -> None:
    table, [row] = write(tmp_path, (texts(source=["a"]), [failed_item(1)]))

    assert (row["dailies_failure_class"], row["dailies_code"]) == ("DATA", "DATA.INPUT.CORRUPT")
    assert (row["dailies_step"], row["dailies_hls_key"]) == ("ingest", "")
    assert table["dailies_hls_key"].to_pylist() == [None]


def test_a_row_without_an_item_is_still_a_row(tmp_path: Path) -> None:
    table, rows = write(tmp_path, (texts(source=["a", "b", "c"]), [sample_item(1), sample_item(3)]))

    assert table["dailies_row"].to_pylist() == [1, 2, 3]
    assert [row["dailies_state"] for row in rows] == ["succeeded", "", "succeeded"]


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_our_text_cannot_be_a_formula_in_the_csv(tmp_path: Path, text: str) -> None:
    table, [row] = write(tmp_path, (texts(source=["a"]), [failed_item(1, message=text, custom_id=text)]))

    assert row["dailies_message"] == f"'{text}"
    assert row["dailies_custom_id"] == f"'{text}"
    assert table["dailies_message"].to_pylist() == [text]


def test_numbers_are_no_formulas(tmp_path: Path) -> None:
    _, [row] = write(tmp_path, (texts(source=["a"]), [sample_item(1, cost=-1.5)]))

    assert row["dailies_cost"] == "-1.5"


def test_types_are_those_that_are_documented(tmp_path: Path) -> None:
    table, _ = write(tmp_path, (texts(source=["a"]), [sample_item(1)]))

    for column in COLUMNS:
        field = table.schema.field(PREFIX + column.name)
        assert field.type == column.type
        assert field.metadata[b"meaning"].decode() == column.meaning


def test_json_values_become_text_also_when_a_column_comes_up_late(tmp_path: Path) -> None:
    first = pd.DataFrame({"source": ["a", "b"], "tags": [["x", "ü"], None]}, dtype=object)
    later = pd.DataFrame({"source": ["c"], "tags": [{"deep": 1}], "late": [7]}, dtype=object)
    table, _ = write(tmp_path, (first, [sample_item(1), sample_item(2)]), (later, [sample_item(3)]))

    assert table["tags"].to_pylist() == ['["x", "ü"]', None, '{"deep": 1}']
    assert table["late"].to_pylist() == [None, None, "7"]


def test_a_parquet_input_keeps_its_types(tmp_path: Path) -> None:
    typed = pa.table({"source": ["a"], "n": pa.array([5], pa.int16()), "at": pa.array([BEGINS])})
    inputs = typed.to_pandas(types_mapper=pd.ArrowDtype)
    table, _ = write(tmp_path, (inputs, [sample_item(1)]), (inputs, [sample_item(2)]))

    assert table.select(["source", "n", "at"]).schema.types == typed.schema.types
    assert table["n"].to_pylist() == [5, 5]


def test_results_that_are_handed_in_again_give_way_to_the_new_ones(tmp_path: Path) -> None:
    inputs = texts(source=["a"], dailies_state=["failed"], dailies_note=["mine"])
    table, _ = write(tmp_path, (inputs, [sample_item(1)]))

    assert table.column_names == ["source", "dailies_note", *SCHEMA.names]
    assert table["dailies_state"].to_pylist() == ["succeeded"]


def test_no_rows_make_files_with_columns(tmp_path: Path) -> None:
    table, rows = write(tmp_path, (texts(source=[]), []))

    assert table.num_rows == 0
    assert table.column_names == ["source", *SCHEMA.names]
    assert rows == []
    assert (tmp_path / "results.csv").read_text("utf-8-sig").startswith("source,dailies_row,")


def test_lists_and_mappings_of_parquet_are_json_in_the_csv(tmp_path: Path) -> None:
    when = [[BEGINS]]
    typed = pa.table({"source": ["a"], "tags": [["x", "y"]], "deep": [{"n": 1}], "when": when, "kind": ["k"]})
    typed = typed.set_column(4, "kind", typed["kind"].dictionary_encode())
    table, [row] = write(tmp_path, (typed.to_pandas(types_mapper=pd.ArrowDtype), [sample_item(1)]))

    assert (row["tags"], row["deep"], row["kind"]) == ('["x", "y"]', '{"n": 1}', "k")
    assert "2026-11-21" in row["when"]
    assert table["tags"].to_pylist() == [["x", "y"]]


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_ten_times_as_long_as_ten_thousand(tmp_path: Path) -> None:
    def seconds_for(count: int) -> float:
        started = time.process_time()
        tally, chunk, publications = NightTally(), 5_000, sample_publications()
        items: list[Any] = []
        inputs = texts(source=["/media/a.mp4"] * chunk, note=["x"] * chunk)
        with ResultsWriter(tmp_path / "r.parquet", tmp_path / "r.csv", inputs.columns) as writer:
            for item in newsroom_items(count):
                items.append(item)
                if len(items) == chunk:
                    results = results_frame(items, publications)
                    writer.write(joined(inputs, results, items[0].row))
                    tally.add(results)
                    items = []
        assert tally.facts(sample_batch(), count, made_at=BEGINS).counts.balances
        assert pq.read_metadata(tmp_path / "r.parquet").num_rows == count
        return time.process_time() - started

    seconds_for(5_000)
    assert seconds_for(100_000) < 15 * seconds_for(10_000)
