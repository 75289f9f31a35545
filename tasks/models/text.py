"""Text in the picture (RapidOCR: PP-OCRv6 small on onnxruntime), read where the picture changes and joined over time.

Reading a frame takes about a second, so that most are not read: one that looks like the last that was read holds the
same text; one that has changed is read once it stands still, or soon after a cut; one that only moves, at intervals.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data.domain.errors import ModelMissingError
from data.domain.findings import SeenText, TextBox
from tasks.media.sampling import SampledFrame

if TYPE_CHECKING:
    from rapidocr import RapidOCR

SAMPLE_SECONDS = 0.5
"""How often the picture is looked at to see whether it has changed."""
MODEL_FILES = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx")

_GRID = (48, 27)
_CUT_DIFFERENCE = 22.0  # mean of the grid's cells, of 255: another shot, not movement
_CELL_DIFFERENCE = 10.0  # of a single cell: something has come or gone
_STILL_DIFFERENCE = 1.5  # mean, to the frame before: nothing moves or fades
_READ_APART_SECONDS = 1.0
_SURE = 0.9
_SLACK_SECONDS = 1e-3
_SAME_TEXT = 0.8
_MIN_LETTERS = 2


@dataclass(frozen=True)
class ReadLine:
    """A line of text in one frame."""

    text: str
    box: TextBox
    confidence: float


@dataclass
class _Track:
    """A line of text over time."""

    best: ReadLine
    start_seconds: float
    seen_seconds: float


@dataclass
class TextTracker:
    """Decides which frames are read, and joins what is read. Lives as long as one video.

    Args:
        read: Reads one frame (height × width × 3, BGR).
        interval_seconds: How often a picture that only moves is read.
    """

    read: Callable[[NDArray[np.uint8]], list[ReadLine]]
    interval_seconds: float
    frames_read: int = 0
    _tracks: list[_Track] = field(default_factory=list)
    _shown: list[_Track] = field(default_factory=list)
    _read_grid: NDArray[np.float32] | None = None
    _read_at: float = 0.0
    _before: NDArray[np.float32] | None = None
    _moved_at: float = 0.0

    def look(self, frame: SampledFrame) -> None:
        """Take the next frame in order of time."""
        grid, now = _grid(frame.image_bgr), frame.at_seconds
        before, self._before = self._before, grid
        is_still = before is not None and float(np.abs(grid - before).mean()) < _STILL_DIFFERENCE
        if not is_still:
            self._moved_at = now
        if self._read_grid is None:
            self._read(frame, grid)
            return
        difference = np.abs(grid - self._read_grid)
        if float(difference.max()) < _CELL_DIFFERENCE:
            for track in self._shown:
                track.seen_seconds = now
            return
        since = now - self._read_at
        is_cut = float(difference.mean()) >= _CUT_DIFFERENCE
        if since >= self.interval_seconds - _SLACK_SECONDS or (since >= _READ_APART_SECONDS and (is_still or is_cut)):
            self._read(frame, grid)

    def _read(self, frame: SampledFrame, grid: NDArray[np.float32]) -> None:
        self._read_grid, self._read_at = grid, frame.at_seconds
        self._join(self.read(frame.image_bgr), frame.at_seconds)

    def lines(self, duration_seconds: float) -> tuple[SeenText, ...]:
        """Return what was read, by start, then from top to bottom."""
        found = [
            SeenText(
                text=track.best.text,
                start_seconds=round(track.start_seconds, 3),
                end_seconds=round(min(duration_seconds, self._end_of(track, duration_seconds)), 3),
                box=track.best.box,
                confidence=round(track.best.confidence, 3),
            )
            for track in self._tracks
        ]
        return tuple(sorted(found, key=lambda line: (line.start_seconds, line.box.top, line.box.left)))

    def _end_of(self, track: _Track, duration_seconds: float) -> float:
        """What was there when the picture was read last, and no more reading was due, is there to the end."""
        is_last = track in self._shown and duration_seconds - self._read_at <= self.interval_seconds + SAMPLE_SECONDS
        return duration_seconds if is_last else track.seen_seconds + SAMPLE_SECONDS

    def _join(self, lines: list[ReadLine], at_seconds: float) -> None:
        self.frames_read += 1
        self._shown = []
        oldest = at_seconds - 2 * self.interval_seconds
        for line in lines:
            # A line that moves, or is missed once, is still the same line.
            recent = [track for track in self._tracks if track.seen_seconds >= oldest and track not in self._shown]
            track = next((each for each in reversed(recent) if _is_same(each.best.text, line.text)), None)
            if track is None:
                track = _Track(line, self._moved_at, at_seconds)
                self._tracks.append(track)
            elif _is_better(line, track.best):
                track.best = line
            track.seen_seconds = at_seconds
            self._shown.append(track)


def read_texts(
    frames: Iterable[SampledFrame],
    duration_seconds: float,
    *,
    interval_seconds: float,
    min_confidence: float,
    threads: int = 0,
) -> tuple[tuple[SeenText, ...], int]:
    """Read the text of a video's picture.

    Args:
        frames: In order of time, :data:`SAMPLE_SECONDS` apart, 480 pixels high or more.
        duration_seconds: Of the video.
        interval_seconds: How often a picture that only moves is read.
        min_confidence: Less sure lines are left out (0–1).
        threads: CPU threads; 0 lets the runtime choose.

    Returns:
        The lines, and how many frames were read.

    Raises:
        ModelMissingError: The package has lost its weights.
    """
    engine = load_engine(threads)
    tracker = TextTracker(lambda image: read_frame(image, engine, min_confidence), interval_seconds)
    for frame in frames:
        tracker.look(frame)
    return tracker.lines(duration_seconds), tracker.frames_read


def read_frame(image_bgr: NDArray[np.uint8], engine: "RapidOCR", min_confidence: float) -> list[ReadLine]:
    """Return the lines of text in a picture, from top to bottom."""
    height, width = image_bgr.shape[:2]
    found: Any = engine(image_bgr)
    lines = [
        ReadLine(" ".join(str(text).split()), _box(points, width, height), float(score))
        for text, score, points in zip(found.txts or (), found.scores or (), _boxes(found), strict=True)
        if score >= min_confidence and sum(map(str.isalnum, text)) >= _MIN_LETTERS
    ]
    return sorted(lines, key=lambda line: (round(line.box.top, 2), line.box.left))


def _boxes(found: Any) -> Any:
    return () if found.boxes is None else found.boxes


def _box(points: NDArray[np.float32], width: int, height: int) -> TextBox:
    left, top = (max(0.0, float(edge)) for edge in points.min(axis=0))
    right, bottom = min(float(width), float(points[:, 0].max())), min(float(height), float(points[:, 1].max()))
    return TextBox(
        left=round(left / width, 4),
        top=round(top / height, 4),
        width=round((right - left) / width, 4),
        height=round((bottom - top) / height, 4),
    )


def _grid(image_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = cv2.resize(image_bgr, _GRID, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.float32)


def _is_same(text: str, other: str) -> bool:
    a, b = ("".join(each.casefold().split()) for each in (text, other))
    return a == b or SequenceMatcher(None, a, b, autojunk=False).ratio() >= _SAME_TEXT


def _is_better(line: ReadLine, best: ReadLine) -> bool:
    """The longer of two that are sure: the other was read while it came up."""
    if min(line.confidence, best.confidence) >= _SURE:
        return len(line.text) > len(best.text)
    return line.confidence > best.confidence


@lru_cache(maxsize=1)
def load_engine(threads: int) -> "RapidOCR":
    """Load the weights, once per process; the imports take more than a second."""
    models = Path(str(files("rapidocr") / "models"))
    missing = [name for name in MODEL_FILES if not (models / name).is_file()]
    if missing:  # left alone the package would fetch them
        raise ModelMissingError(f"The package rapidocr lacks {', '.join(missing)}.", {"model": "rapidocr"})
    from rapidocr import RapidOCR

    wishes = {
        "Global.log_level": "critical",
        "Global.use_cls": False,  # nobody sets titles upside down
        "EngineConfig.onnxruntime.intra_op_num_threads": threads or -1,
    }
    return RapidOCR(params=wishes)
