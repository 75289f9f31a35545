"""Every row is checked before any work: what is valid can be fed, and the rest is named by row and column."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas
import pytest

from data.domain.batches import BatchItem
from data.domain.sources import SourceRules
from data.manifests import CheckedChunk, ManifestRules, check_manifest, open_manifest
from data.recipes import load_recipe
from tests.fakes.manifests import FORMATS, write_manifest

RULES = ManifestRules(load_recipe, SourceRules(allowed_roots=(Path("/srv/media"),)), check_files=False)
SOURCE = "/srv/media/a.mp4"


def check(path: Path, rules: ManifestRules = RULES, chunk_rows: int = 10_000) -> list[CheckedChunk]:
    return list(check_manifest(open_manifest(path), rules, chunk_rows))


def errors(chunks: list[CheckedChunk]) -> list[tuple[int, str, str]]:
    found = pandas.concat([chunk.errors for chunk in chunks])
    return list(found[["row", "column", "code"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_valid_row_is_complete_whatever_the_format(tmp_path: Path, kind: str) -> None:
    full = {
        "custom_id": "ep-1", "source": SOURCE, "recipe": "quick", "priority": "high",
        "not_before": "2026-01-31T23:00:00+01:00", "title": "Episode 1", "video.crf": 30,
        "metadata": {"show": "News"}, "metadata.season": "two",
    }  # fmt: skip
    bare = {**dict.fromkeys(full), "source": SOURCE}

    (chunk,) = check(write_manifest(tmp_path, [full, bare], kind))

    assert chunk.rows.to_dict("records") == [
        {
            "row": 1, "custom_id": "ep-1", "source": SOURCE, "prompt": "", "script": "", "recipe": "quick",
            "overrides": {"video.crf": 30.0}, "priority": "high", "not_before": datetime(2026, 1, 31, 22, tzinfo=UTC),
            "title": "Episode 1", "metadata": {"show": "News", "season": "two"},
        },
        {
            "row": 2, "custom_id": "row-2", "source": SOURCE, "prompt": "", "script": "", "recipe": "default",
            "overrides": {}, "priority": "default", "not_before": None, "title": "", "metadata": {},
        },
    ]  # fmt: skip
    assert chunk.errors.empty
    assert len(chunk.rejected) == 0
    assert not chunk.refuses_manifest


def test_a_row_is_what_an_item_is_made_of(tmp_path: Path) -> None:
    (chunk,) = check(write_manifest(tmp_path, [{"source": SOURCE, "title": "A"}]))

    (row,) = chunk.rows.to_dict("records")

    assert BatchItem(batch_id="b", **row).custom_id == "row-1"


@pytest.mark.parametrize("kind", FORMATS)
def test_each_wrong_cell_is_named_by_row_column_and_code(tmp_path: Path, kind: str) -> None:
    good = {"custom_id": "", "source": SOURCE, "recipe": "", "priority": "", "not_before": "", "title": "",
            "video.crf": "", "metadata.show": "", "metadata": ""}  # fmt: skip
    wrong = [
        {"source": "/etc/passwd"},
        {"recipe": "quik"},
        {"priority": "urgent"},
        {"not_before": "2026-01-31T22:00:00"},
        {"title": "x" * 201},
        {"video.crf": "99"},
        {"metadata": "{"},
        {"custom_id": "x" * 201},
        {"source": "", "title": "x"},
    ]
    rows = [good, *({**good, **change} for change in wrong), good]

    (chunk,) = check(write_manifest(tmp_path, rows, kind))

    assert errors([chunk]) == [
        (2, "source", "DATA.SOURCE.FORBIDDEN"),
        (3, "recipe", "DATA.RECIPE.UNKNOWN"),
        (4, "priority", "DATA.MANIFEST.VALUE"),
        (5, "not_before", "DATA.MANIFEST.VALUE"),
        (6, "title", "DATA.MANIFEST.VALUE"),
        (7, "video.crf", "DATA.RECIPE.INVALID"),
        (8, "metadata", "DATA.MANIFEST.VALUE"),
        (9, "custom_id", "DATA.MANIFEST.VALUE"),
        (10, "source", "DATA.MANIFEST.INPUT"),
    ]
    assert chunk.rows["row"].tolist() == [1, 11]
    assert chunk.rejected.index.tolist() == list(range(2, 11))
    assert chunk.errors["value"].tolist()[:3] == ["/etc/passwd", "quik", "urgent"]
    assert chunk.errors["value"].str.len().max() <= 200


def test_all_that_is_wrong_with_a_row_is_named(tmp_path: Path) -> None:
    (chunk,) = check(write_manifest(tmp_path, [{"source": "", "recipe": "nothing", "priority": "urgent"}]))

    assert {column for _, column, _ in errors([chunk])} == {"source", "recipe", "priority"}
    assert len(chunk.rejected) == 1


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_an_id_that_stands_there_twice_is_refused_across_chunks(tmp_path: Path, chunk_rows: int) -> None:
    ids = ["a", "b", "", "a", "row-3", "b", "c"]
    rows = [{"source": SOURCE, "custom_id": each} for each in ids]

    chunks = check(write_manifest(tmp_path, rows), chunk_rows=chunk_rows)

    assert errors(chunks) == [(row, "custom_id", "DATA.MANIFEST.DUPLICATE_ID") for row in (4, 5, 6)]
    assert "Row 1 has the custom_id 'a' already" in "".join(text for chunk in chunks for text in chunk.errors["error"])


def test_a_malformed_row_has_that_error_alone(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"source,recipe\n{SOURCE},quick\n{SOURCE}\n")
    (tmp_path / "m.jsonl").write_text(f'{{"source": "{SOURCE}"}}\n[]\n')

    for name in ("m.csv", "m.jsonl"):
        assert errors(check(tmp_path / name)) == [(2, "", "DATA.MANIFEST.ROW_MALFORMED")]


def test_an_unknown_column_is_told_once_and_refuses_the_manifest(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"source": SOURCE, "captions.langauge": "de", "priority": "urgent"}] * 5

    chunks = check(write_manifest(tmp_path, rows), chunk_rows=2)

    assert [found for found in errors(chunks) if found[0] == 0] == [
        (0, "captions.langauge", "DATA.MANIFEST.COLUMN_UNKNOWN")
    ]
    assert [chunk.refuses_manifest for chunk in chunks] == [True, False, False]
    assert len(errors(chunks)) == 6  # the rows are checked all the same


def test_the_defaults_for_rows_that_name_none_can_be_chosen(tmp_path: Path) -> None:
    rules = ManifestRules(load_recipe, RULES.sources, check_files=False, recipe="rehearsal", priority="low")

    (chunk,) = check(write_manifest(tmp_path, [{"source": SOURCE}]), rules)

    assert chunk.rows[["recipe", "priority"]].values.tolist() == [["rehearsal", "low"]]


_MEASURE = """
import sys
from pathlib import Path
from data.domain.sources import SourceRules
from data.manifests import ManifestRules, check_manifest, open_manifest
from data.recipes import load_recipe
from tests.fakes.memory import peak_megabytes
rules = ManifestRules(load_recipe, SourceRules(allowed_roots=(Path("/srv/media"),)), check_files=False)
rows = sum(len(chunk.rows) for chunk in check_manifest(open_manifest(Path(sys.argv[1])), rules))
print(rows, peak_megabytes())
"""


@pytest.mark.slow
def test_a_million_rows_take_less_than_300_mb(tmp_path: Path) -> None:
    with (tmp_path / "m.csv").open("w") as file:
        file.write("custom_id,source,priority,video.crf\n")
        for number in range(1_000_000):
            file.write(f"clip-{number:09d},/srv/media/{number}.mp4,high,{20 + number % 10}\n")

    measured = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(tmp_path / "m.csv")], capture_output=True, text=True, check=True
    )

    rows, megabytes = map(float, measured.stdout.split())
    assert rows == 1_000_000
    assert megabytes < 300
