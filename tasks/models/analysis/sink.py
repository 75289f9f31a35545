"""Where an analysis puts what it finds as it finds it, so that its memory does not grow with the video."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from data.domain.analysis import Event


class TrackRow(NamedTuple):
    """One track in one frame that was looked at. Places are shares (0–1) of the picture's width and height."""

    track: int
    """Number of the track, from 1, in the order in which they appear."""
    label: str
    frame: int
    """Number of the frame, from 0, at the video's rate."""
    at_seconds: float
    left: float
    top: float
    width: float
    height: float
    confidence: float
    """Of this detection, 0–1."""
    speed: float
    """Picture widths per second, by which the middle of the box moves."""


class FrameRow(NamedTuple):
    """One frame that was looked at."""

    frame: int
    at_seconds: float
    track_count: int
    """Tracks that are seen in it."""
    motion: float
    """Share (0–1) of the picture that differs from the frame looked at before."""
    sharpness: float
    """Natural logarithm of 1 + the variance of the Laplacian of the grey picture (0–255), at most 192 pixels wide."""
    brightness: float
    """Mean of the grey picture, 0–1."""


class TelemetrySink(Protocol):
    """Takes what an analysis finds.

    Of each frame it is told the rows of the tracks first, then the row of the frame itself. An event is told when it is
    certain: what has a duration when it is over, so that ``at_seconds`` goes back now and then; the receiver sorts.
    """

    def track_row(self, row: TrackRow) -> None:
        """Take one track in one frame."""

    def frame_row(self, row: FrameRow) -> None:
        """Take one frame; no more rows of it follow."""

    def event(self, event: Event) -> None:
        """Take one event."""


@dataclass
class ListSink:
    """Keeps everything: for tests and short videos."""

    tracks: list[TrackRow] = field(default_factory=list)
    frames: list[FrameRow] = field(default_factory=list)
    found: list[Event] = field(default_factory=list)

    def track_row(self, row: TrackRow) -> None:
        """Keep one track in one frame."""
        self.tracks.append(row)

    def frame_row(self, row: FrameRow) -> None:
        """Keep one frame."""
        self.frames.append(row)

    def event(self, event: Event) -> None:
        """Keep one event."""
        self.found.append(event)

    @property
    def events(self) -> list[Event]:
        """All events by time."""
        return sorted(self.found, key=lambda event: event.at_seconds)
