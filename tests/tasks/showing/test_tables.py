"""Telemetry is read by pandas as it was told, however it is read."""

import gc
import tracemalloc
from pathlib import Path

import pandas
import pyarrow.parquet
import pytest

from data.domain.analysis import AnalysisFile, Event
from tasks.models.analysis.sink import FrameRow, TrackRow
from tasks.showing import tables
from tasks.showing.recording import Recorder
from tasks.showing.tables import read_tracks
from tests.fakes.sightings import EVENTS, record, rows_of


def test_each_track_and_each_frame_has_a_row_in_parquet_and_csv_alike(tmp_path: Path) -> None:
    record(tmp_path)

    tracks = pandas.read_parquet(tmp_path / AnalysisFile.TELEMETRY)
    frames = pandas.read_parquet(tmp_path / AnalysisFile.FRAMES)
    assert len(tracks) == sum(len(rows_of(frame)) for frame in range(10))
    assert list(frames["frame"]) == list(range(10))
    assert tracks[tracks["track"] == 1]["left"].iloc[5] == pytest.approx(0.4)
    pandas.testing.assert_frame_equal(
        pandas.read_csv(tmp_path / AnalysisFile.TELEMETRY_CSV), tracks, check_dtype=False, rtol=1e-6
    )
    pandas.testing.assert_frame_equal(pandas.read_csv(tmp_path / AnalysisFile.FRAMES_CSV), frames, check_dtype=False)


def test_a_label_that_a_spreadsheet_would_run_is_a_text_in_csv(tmp_path: Path) -> None:
    paths = tables.TablePaths(tmp_path / "t.parquet", tmp_path / "t.csv")
    rows = [rows_of(0)[0]._replace(label=label) for label in ('=HYPERLINK("x","y")', "@x", "person, adult")]
    with tables.Table(TrackRow, paths) as table:
        table.extend(rows)

    assert list(pandas.read_csv(paths.csv)["label"]) == ['\'=HYPERLINK("x","y")', "'@x", "person, adult"]
    assert list(pandas.read_parquet(paths.parquet)["label"]) == [row.label for row in rows]


def test_events_are_not_kept_in_memory(tmp_path: Path) -> None:
    event, count = EVENTS[0], 5000

    tracemalloc.start(8)
    with Recorder(tmp_path, float(5000)) as recorder:
        for number in range(count):
            recorder.event(event.model_copy(update={"frame": number, "at_seconds": count - number}))
        gc.collect()
        kept = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, __file__, all_frames=True)])
    tracemalloc.stop()
    grown = sum(each.size for each in kept.statistics("filename"))  # by this test: other threads may be at work

    assert grown < 100 * count
    assert [each.frame for each in recorder.events] == list(reversed(range(count)))


def test_every_column_is_documented(tmp_path: Path) -> None:
    record(tmp_path, ())

    documented = tables.__doc__ or ""
    for name in (AnalysisFile.TELEMETRY, AnalysisFile.FRAMES):
        schema = pyarrow.parquet.read_schema(tmp_path / name)
        for field in schema:
            kind = {"float": "float32", "double": "float64"}.get(str(field.type), str(field.type))
            assert any(line.split()[:2] == [field.name, kind] for line in documented.splitlines()), field


def test_a_film_in_which_nothing_is_found_has_whole_and_empty_tables(tmp_path: Path) -> None:
    record(tmp_path, ())

    assert pandas.read_parquet(tmp_path / AnalysisFile.TELEMETRY).empty
    assert list(pandas.read_csv(tmp_path / AnalysisFile.FRAMES_CSV).columns) == list(FrameRow._fields)
    assert list(read_tracks(tmp_path / AnalysisFile.TELEMETRY)) == []


def test_rows_come_back_frame_by_frame(tmp_path: Path) -> None:
    record(tmp_path)

    found = dict(read_tracks(tmp_path / AnalysisFile.TELEMETRY))

    assert list(found) == list(range(10))
    assert [row.track for row in found[4]] == [1, 2]
    assert isinstance(found[4][0], TrackRow)


def test_events_lie_in_order_of_time_whatever_the_order_in_which_they_were_told(tmp_path: Path) -> None:
    recorder = record(tmp_path)

    lines = (tmp_path / AnalysisFile.EVENTS).read_bytes().splitlines()
    told = [Event.model_validate_json(line) for line in lines]
    assert [event.at_seconds for event in told] == [event.at_seconds for event in EVENTS]
    assert set(told) == set(EVENTS)
    assert list(recorder.events) == list(recorder.events) == told
    assert {path.name for path in tmp_path.iterdir()} == {
        *(each.value for each in (AnalysisFile.EVENTS, AnalysisFile.TELEMETRY, AnalysisFile.TELEMETRY_CSV)),
        *(each.value for each in (AnalysisFile.FRAMES, AnalysisFile.FRAMES_CSV)),
    }
    assert recorder.course.tracks[0] == (pytest.approx(0.5 / 240), 1)
