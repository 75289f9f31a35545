"""Takes what an analysis finds as it finds it: rows and events go to files, a course over time is kept."""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
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
        # Lists: for single numbers arrays take five times as long.
        self._motion, self._samples, self._tracks = [0.0] * COURSE_STEPS, [0] * COURSE_STEPS, [0] * COURSE_STEPS

    def add(self, row: FrameRow) -> None:
        """Take a frame."""
        step = min(COURSE_STEPS - 1, int(row.at_seconds / self.duration_seconds * COURSE_STEPS))
        self._motion[step] += row.motion
        self._samples[step] += 1
        if row.track_count > self._tracks[step]:
            self._tracks[step] = row.track_count

    @property
    def motion(self) -> tuple[tuple[float, float], ...]:
        """Time in seconds and mean motion (0-1) of each part that has frames."""
        return tuple(
            (self._at(step), motion / count)
            for step, (motion, count) in enumerate(zip(self._motion, self._samples, strict=True))
            if count
        )

    @property
    def tracks(self) -> tuple[tuple[float, int], ...]:
        """Time in seconds and the most tracks at once of each part that has frames."""
        return tuple(
            (self._at(step), most)
            for step, (most, count) in enumerate(zip(self._tracks, self._samples, strict=True))
            if count
        )

    def _at(self, step: int) -> float:
        return (step + 0.5) / COURSE_STEPS * self.duration_seconds


class EventFile:
    """Events in a file, one a line, by time; read as often as one likes, one at a time.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[Event]:
        with self._path.open("rb") as file:
            yield from map(Event.model_validate_json, file)


class Recorder:
    """The sink of one analysis; its files are whole once it was closed.

    Args:
        directory: Takes the files.
        duration_seconds: Of the video.
    """

    def __init__(self, directory: Path, duration_seconds: float) -> None:
        self._directory = directory
        self._exits = ExitStack()
        self._times, self._frames_of, self._ends = array("d"), array("q"), array("q", [0])
        self.course = Course(duration_seconds)

    def __enter__(self) -> Self:
        at = self._directory
        self._told = self._exits.enter_context(TemporaryFile(dir=at))  # it has no name: nothing of it stays
        self._tracks: Table[TrackRow] = self._exits.enter_context(
            Table(TrackRow, TablePaths(at / AnalysisFile.TELEMETRY, at / AnalysisFile.TELEMETRY_CSV))
        )
        self._frames: Table[FrameRow] = self._exits.enter_context(
            Table(FrameRow, TablePaths(at / AnalysisFile.FRAMES, at / AnalysisFile.FRAMES_CSV))
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End the tables, and write the events by time."""
        with self._exits, (self._directory / AnalysisFile.EVENTS).open("wb") as file:
            for index in np.lexsort((self._frames_of, self._times)):
                self._told.seek(self._ends[index])
                file.write(self._told.read(self._ends[index + 1] - self._ends[index]))

    def frame(self, row: FrameRow, tracks: Sequence[TrackRow]) -> None:
        """Take the next frame with the tracks that are seen in it."""
        self._tracks.extend(tracks)
        self._frames.extend((row,))
        self.course.add(row)

    def event(self, event: Event) -> None:
        """Take one event."""
        self._ends.append(self._ends[-1] + self._told.write(_line(event)))
        self._times.append(event.at_seconds)
        self._frames_of.append(event.frame)

    @property
    def events(self) -> EventFile:
        """All events by time, once this was closed."""
        return EventFile(self._directory / AnalysisFile.EVENTS)


def _line(event: Event) -> bytes:
    return orjson.dumps(event.model_dump(mode="json"), option=orjson.OPT_APPEND_NEWLINE)
