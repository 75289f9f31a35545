"""Analysis: what is looked for in a video, and what is found: tracks, events and checks.

Places are shares (0–1) of the picture's width and height, from its upper left corner; times are seconds of the
published video; image coordinates never leave the code that looks.
"""

import json
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from data.domain.findings import TextBox
from data.domain.model import DomainModel

Point = tuple[float, float]
"""Across and down, in shares (0–1) of the picture."""
Box = TextBox


class Zone(DomainModel):
    """A named part of the picture, or a line across it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}$")
    kind: Literal["polygon", "rectangle", "line"] = "polygon"
    points: tuple[Point, ...] = Field(min_length=2, max_length=50)
    """A polygon's corners; two opposite ones of a rectangle; both ends of a line."""
    dwell_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Tell of who is in it for so long (an event ``dwell``); ``null``: of nobody. Not of a line."""

    @model_validator(mode="after")
    def _is_a_figure(self) -> Self:
        wanted = {"polygon": 3, "rectangle": 2, "line": 2}[self.kind]
        if len(self.points) < wanted or (self.kind != "polygon" and len(self.points) != wanted):
            raise ValueError(f"a {self.kind} has {'at least 3' if self.kind == 'polygon' else '2'} points")
        if any(not 0 <= share <= 1 for point in self.points for share in point):
            raise ValueError("points are shares (0-1) of the picture's width and height")
        if self.kind == "line" and self.dwell_seconds is not None:
            raise ValueError("nobody dwells in a line: dwell_seconds is for polygons and rectangles")
        return self


class AnalysisOptions(DomainModel):
    """What is looked for in the picture and the sound of a video."""

    enabled: bool = False
    detector: Literal["motion", "faces", "onnx", "mock"] = "motion"
    """``motion``: whatever moves before a resting background. ``onnx``: the model of the settings. ``mock`` is a
    simulation for trying out what consumes the results, and is labelled as that everywhere."""
    model: str = Field(default="", max_length=100, pattern=r"^[A-Za-z0-9_.-]*$")
    """For ``onnx``: name of a model in the settings' folder of detectors."""
    min_confidence: float = Field(default=0.4, ge=0, le=1)
    fps: float | None = Field(default=None, gt=0, le=120)
    """Frames a second that are looked at; ``null``: every one. Flicker is judged from ten on, and things are tracked
    that overlap themselves from one frame to the next: five or more for people who walk."""
    max_frames: int | None = Field(default=None, ge=1, le=2**31 - 1)
    """Look at no more than this; of a longer video fewer a second."""
    zones: tuple[Zone, ...] = Field(default=(), max_length=50)
    clustering_interval: float | None = Field(default=2.0, gt=0, allow_inf_nan=False)
    """Take the appearance of each track so often (seconds) and group tracks that look alike; ``null``: do not."""
    ocr_interval: float | None = Field(default=None, ge=0.5, allow_inf_nan=False)
    """Read text in the picture so often (seconds); ``null``: do not."""
    annotate: bool = True
    """Make a video that shows boxes, tracks, zones and counts."""

    @field_validator("zones", mode="before")
    @classmethod
    def _from_json(cls, zones: object) -> object:
        """Take zones as JSON text, too: a form, a command line and a cell of a manifest hold nothing else."""
        if not isinstance(zones, str):
            return zones
        try:
            return json.loads(zones)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"zones are no JSON: {error}") from error

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [zone.name for zone in self.zones]
        if len(set(names)) < len(names):
            raise ValueError("zones need names of their own")
        return self


class EventKind(StrEnum):
    """What can happen in a video."""

    APPEAR = "appear"
    """A track begins."""
    VANISH = "vanish"
    ENTER = "enter"
    """A track comes into a zone, or is first seen in it; not what is in it when the video begins."""
    LEAVE = "leave"
    """A track goes out of a zone, or is lost in it, but not by the video's end; ``value``: seconds that it was in."""
    DWELL = "dwell"
    """A track has been in a zone for the zone's ``dwell_seconds``, told once a visit; ``value``: for how long."""
    CROSS = "cross"
    """A track crosses a line; ``value``: 1 from left to right as seen from its first point to its second, else -1."""
    TEXT = "text"
    """A text is seen; ``label`` says it."""
    SHOT = "shot"
    """A shot begins with a cut; the video's first shot has none."""
    BLACK = "black"
    """The picture is black; ``value``: for how long, in seconds. So for those that follow; all but flicker only if it
    is not so from beginning to end (:attr:`AnalysisSummary.throughout`)."""
    FREEZE = "freeze"
    SILENCE = "silence"
    BLUR = "blur"
    OVEREXPOSED = "overexposed"
    UNDEREXPOSED = "underexposed"
    FLICKER = "flicker"
    """The picture flashes more than three times a second over a quarter of its area (WCAG 2.3.1)."""


class Event(DomainModel):
    """Something that happened, at a time."""

    kind: EventKind
    at_seconds: float
    frame: int
    """Number of the frame, from 0, at the video's rate."""
    track: int | None = None
    zone: str | None = None
    label: str = ""
    """What was detected (``moving``, ``face``, a label of the model), or a text."""
    box: Box | None = None
    confidence: float | None = None
    """0–1; ``None`` where nothing of the kind is estimated."""
    value: float | None = None
    """What the kind says."""


class TrackSummary(DomainModel):
    """One thing that was followed through the picture."""

    track: int
    label: str
    first_seconds: float
    last_seconds: float
    sample_count: int
    confidence: float
    """Mean of its detections, 0–1."""
    cluster: int | None = None
    """Tracks of one number look alike."""
    dwell_seconds: dict[str, float] = Field(default_factory=dict)
    """Time in each zone."""


class ZoneSummary(DomainModel):
    """What happened at one zone or line."""

    zone: str
    entered: int = 0
    left: int = 0
    crossed_forward: int = 0
    """Of a line: from its left to its right, as seen from its first point to its second."""
    crossed_backward: int = 0
    most_at_once: int = 0
    mean_dwell_seconds: float | None = None


class AnalysisSummary(DomainModel):
    """What an analysis came to; everything else is in its artifacts."""

    detector: str
    """Name and version of what detected, for a person; of ``mock`` it begins with ``SIMULATED``."""
    is_simulated: bool = False
    frame_count: int
    """Frames that were looked at."""
    size: tuple[int, int]
    """Width and height in pixels at which they were looked at."""
    duration_seconds: float
    tracks: tuple[TrackSummary, ...] = ()
    """At most the thousand longest."""
    track_count: int = 0
    zones: tuple[ZoneSummary, ...] = ()
    event_counts: dict[str, int] = Field(default_factory=dict)
    cluster_count: int = 0
    sharpness_mean: float | None = None
    """Of all frames, as the telemetry has it."""
    motion_mean: float | None = None
    """Share (0–1) of the picture that moves, of all frames but the first."""
    throughout: tuple[EventKind, ...] = ()
    """What is so from the first to the last frame that was looked at, as of a black, still or silent video: that is
    what it is, and no event."""
    unjudged: tuple[str, ...] = ()
    """Kinds of events that could not be looked for: flicker in too few frames a second, silence without sound."""


class AnalysisFile(StrEnum):
    """What an analysis leaves, by the name of its file."""

    EVENTS = "events.jsonl"
    """One event a line, by time."""
    TELEMETRY = "telemetry.parquet"
    """One row a track and frame that was looked at."""
    TELEMETRY_CSV = "telemetry.csv"
    FRAMES = "frames.parquet"
    """One row a frame that was looked at."""
    FRAMES_CSV = "frames.csv"
    ANNOTATED = "annotated.mp4"
    """The video with boxes, tracks, zones and counts drawn into it, and its own sound; only if it was asked for."""
    EVENTS_CHART = "events.png"
    HEAT_MAP = "heat-map.png"
    SUMMARY = "summary.json"
    SUMMARY_TEXT = "summary.md"


class AnalysisReport(DomainModel):
    """An analysis as it is kept: what it came to in short, and where its files are."""

    key: str
    """Cache key of the step: content + options + versions."""
    prefix: str
    """Where its files lie in the object store."""
    options: AnalysisOptions
    summary: AnalysisSummary
    """With the longest tracks only; all that there is stands in the files."""
    sentences: tuple[str, ...]
    """What it came to, for a person."""
    files: dict[str, int]
    """Every file (:class:`AnalysisFile`) with its size in bytes."""


class PublishedAnalysis(DomainModel):
    """An analysis as it is public with a version."""

    key: str
    """Of the analysis (:attr:`AnalysisReport.key`)."""
    options: AnalysisOptions
    detector: str
    is_simulated: bool
    track_count: int
    event_counts: dict[str, int]
    sentences: tuple[str, ...]
    paths: dict[str, str]
    """Where each file (:class:`AnalysisFile`) lies, relative to the publication's prefix."""
