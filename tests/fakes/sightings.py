"""An analysis made by hand: two tracks, a zone, a line, a few events; and a whole report of one in a store."""

from collections.abc import Sequence
from pathlib import Path

from data.domain.analysis import (
    AnalysisFile,
    AnalysisOptions,
    AnalysisReport,
    AnalysisSummary,
    Event,
    EventKind,
    TrackSummary,
    Zone,
    ZoneSummary,
)
from data.storage import ObjectStore
from tasks.models.analysis.sink import FrameRow, TrackRow
from tasks.showing.recording import Recorder
from tasks.showing.sentences import sentences

ZONES = (
    Zone(name="Door", kind="rectangle", points=((0.5, 0.0), (1.0, 1.0))),
    Zone(name="Gate", kind="line", points=((0.5, 1.0), (0.5, 0.0))),
)
OPTIONS = AnalysisOptions(enabled=True, detector="motion", zones=ZONES)
RATE = 10
EVENTS = (
    Event(kind=EventKind.APPEAR, at_seconds=0.0, frame=0, track=1, label="moving"),
    Event(kind=EventKind.APPEAR, at_seconds=0.2, frame=2, track=2, label="moving"),
    Event(kind=EventKind.CROSS, at_seconds=0.5, frame=5, track=1, zone="Gate", value=1),
    Event(kind=EventKind.ENTER, at_seconds=0.5, frame=5, track=1, zone="Door"),
    Event(kind=EventKind.LEAVE, at_seconds=0.9, frame=9, track=1, zone="Door", value=0.4),
    Event(kind=EventKind.VANISH, at_seconds=0.9, frame=9, track=1),
)
SUMMARY = AnalysisSummary(
    detector="Motion by hand",
    frame_count=10,
    size=(160, 90),
    duration_seconds=1.0,
    tracks=(
        TrackSummary(
            track=1, label="moving", first_seconds=0, last_seconds=0.9, sample_count=10, confidence=0.9, cluster=0
        ),
        TrackSummary(track=2, label="moving", first_seconds=0.2, last_seconds=0.9, sample_count=8, confidence=0.8),
    ),
    track_count=2,
    zones=(
        ZoneSummary(zone="Door", entered=1, left=1, most_at_once=1, mean_dwell_seconds=0.4),
        ZoneSummary(zone="Gate", crossed_forward=1),
    ),
    event_counts={"appear": 2, "cross": 1, "enter": 1, "leave": 1, "vanish": 1},
    cluster_count=1,
)


def rows_of(frame: int) -> tuple[TrackRow, ...]:
    """One track that goes to the right, and a later one that rests."""
    moving = TrackRow(1, "moving", frame, frame / RATE, frame * 0.08, 0.2, 0.1, 0.4, 0.9, 0.8)
    resting = TrackRow(2, "moving", frame, frame / RATE, 0.1, 0.1, 0.1, 0.1, 0.8, 0.0)
    return (moving, resting) if frame >= 2 else (moving,)


def record(directory: Path, frames: Sequence[int] = range(10)) -> Recorder:
    """Tell a recorder what is to be found in a second of ten frames, or in some of them."""
    with Recorder(directory, 1.0) as recorder:
        for event in reversed(EVENTS):
            recorder.event(event)
        for frame in frames:
            rows = rows_of(frame)
            recorder.frame(FrameRow(frame, frame / RATE, len(rows), 0.02, 4.0, 0.5), rows)
    return recorder


def store_report(store: ObjectStore, prefix: str, scratch: Path, key: str = "k" * 24) -> AnalysisReport:
    """Put an analysis into a store: real tables and events, and stand-ins for video and pictures."""
    record(scratch)
    for name in (AnalysisFile.ANNOTATED, AnalysisFile.EVENTS_CHART, AnalysisFile.HEAT_MAP, AnalysisFile.SUMMARY_TEXT):
        (scratch / name).write_bytes(f"this is {name}".encode())
    (scratch / AnalysisFile.SUMMARY).write_text(SUMMARY.model_dump_json())
    files = store.put_tree(scratch, prefix)
    return AnalysisReport(
        key=key, prefix=prefix, options=OPTIONS, summary=SUMMARY, sentences=sentences(SUMMARY), files=files
    )
