"""Where an analysis puts what it finds as it finds it, so that its memory does not grow with the video."""

from collections.abc import Sequence
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
    """Natural logarithm of 1 + the variance of the Laplacian of the grey picture (0–255), at most 192 pixels wide, as
    it was measured last, five times a second."""
    brightness: float
    """Mean of the grey picture, 0–1."""


class TelemetrySink(Protocol):
    """Takes what an analysis finds.

    An event is told when it is certain: what has a duration when it is over, so that ``at_seconds`` goes back now and
    then; the receiver sorts.
    """

    def frame(self, row: FrameRow, tracks: Sequence[TrackRow]) -> None:
        """Take the next frame with the tracks that are seen in it."""

    def event(self, event: Event) -> None:
        """Take one event."""


@dataclass
class ListSink:
    """Keeps everything: for tests and short videos."""

    tracks: list[TrackRow] = field(default_factory=list)
    frames: list[FrameRow] = field(default_factory=list)
    found: list[Event] = field(default_factory=list)

    def frame(self, row: FrameRow, tracks: Sequence[TrackRow]) -> None:
        """Keep a frame."""
        self.frames.append(row)
        self.tracks += tracks

    def event(self, event: Event) -> None:
        """Keep one event."""
        self.found.append(event)

    @property
    def events(self) -> list[Event]:
        """All events by time."""
        return sorted(self.found, key=lambda event: event.at_seconds)
