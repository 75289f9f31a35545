"""Takes what an analysis finds as it finds it: rows go to files, events and a course over time are kept."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import orjson

from data.domain.analysis import AnalysisFile, Event
from tasks.models.analysis.sink import FrameRow, TrackRow
from tasks.showing.tables import Table, TablePaths

COURSE_STEPS = 240
"""Into so many parts the course over time is divided."""


class Course:
    """How much moves, and how many tracks there are, over the time of a video; its size does not depend on length.

    Args:
        duration_seconds: Of the video.
    """

    def __init__(self, duration_seconds: float) -> None:
        self.duration_seconds = max(duration_seconds, 1e-6)
        self._motion = np.zeros(COURSE_STEPS)
        self._samples = np.zeros(COURSE_STEPS)
        self._tracks = np.zeros(COURSE_STEPS)

    def add(self, row: FrameRow) -> None:
        """Take a frame."""
        step = min(COURSE_STEPS - 1, int(row.at_seconds / self.duration_seconds * COURSE_STEPS))
        self._motion[step] += row.motion
        self._samples[step] += 1
        self._tracks[step] = max(self._tracks[step], row.track_count)

    @property
    def motion(self) -> tuple[tuple[float, float], ...]:
        """Time in seconds and mean motion (0-1) of each part that has frames."""
        return tuple(
            (self._at(int(step)), float(self._motion[step] / self._samples[step]))
            for step in np.flatnonzero(self._samples)
        )

    @property
    def tracks(self) -> tuple[tuple[float, int], ...]:
        """Time in seconds and the most tracks at once of each part that has frames."""
        return tuple((self._at(int(step)), int(self._tracks[step])) for step in np.flatnonzero(self._samples))

    def _at(self, step: int) -> float:
        return (step + 0.5) / COURSE_STEPS * self.duration_seconds


class Recorder:
    """The sink of one analysis; its files are whole once it was closed.

    Args:
        directory: Takes the files.
        duration_seconds: Of the video.
    """

    def __init__(self, directory: Path, duration_seconds: float) -> None:
        self._directory = directory
        self._exits = ExitStack()
        self._found: list[Event] = []
        self.course = Course(duration_seconds)

    def __enter__(self) -> Self:
        at = self._directory
        self._tracks: Table[TrackRow] = self._exits.enter_context(
            Table(TrackRow, TablePaths(at / AnalysisFile.TELEMETRY, at / AnalysisFile.TELEMETRY_CSV))
        )
        self._frames: Table[FrameRow] = self._exits.enter_context(
            Table(FrameRow, TablePaths(at / AnalysisFile.FRAMES, at / AnalysisFile.FRAMES_CSV))
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End the tables, and write the events by time."""
        self._exits.close()
        with (self._directory / AnalysisFile.EVENTS).open("wb") as file:
            for event in self.events:
                file.write(orjson.dumps(event.model_dump(mode="json"), option=orjson.OPT_APPEND_NEWLINE))

    def track_row(self, row: TrackRow) -> None:
        """Take one track in one frame."""
        self._tracks.add(row)

    def frame_row(self, row: FrameRow) -> None:
        """Take one frame."""
        self._frames.add(row)
        self.course.add(row)

    def event(self, event: Event) -> None:
        """Take one event."""
        self._found.append(event)

    @property
    def events(self) -> tuple[Event, ...]:
        """All events by time."""
        return tuple(sorted(self._found, key=lambda event: (event.at_seconds, event.frame)))

    @property
    def event_counts(self) -> dict[str, int]:
        """How many events there are of each kind."""
        return dict(Counter(event.kind.value for event in self._found))
