"""Text in the picture, as events: read where the picture changes, by the reader that the project has."""

from data.domain.analysis import Event, EventKind
from tasks.media.sampling import SampledFrame
from tasks.models.analysis.detections import Look
from tasks.models.analysis.plan import AnalysisPlan
from tasks.models.text import SAMPLE_SECONDS, TextTracker, load_engine, read_frame

_LEAST_CONFIDENCE = 0.6


class TextWatch:
    """Reads a video's picture; lives as long as one analysis.

    Raises:
        ModelMissingError: The package has lost its weights.
    """

    def __init__(self, plan: AnalysisPlan) -> None:
        engine = load_engine(plan.threads)
        least = max(_LEAST_CONFIDENCE, plan.options.min_confidence)
        interval = plan.options.ocr_interval or SAMPLE_SECONDS
        self._tracker = TextTracker(lambda image: read_frame(image, engine, least), interval)
        self._frame_rate = float(plan.frame_rate)
        self._due_at = 0.0

    def look(self, look: Look) -> None:
        """Take the next frame."""
        if look.at_seconds + 1e-6 >= self._due_at:
            self._due_at = look.at_seconds + SAMPLE_SECONDS
            self._tracker.look(SampledFrame(look.at_seconds, look.bgr))

    def end(self, duration_seconds: float) -> list[Event]:
        """End the video and return what was read."""
        return [
            Event(
                kind=EventKind.TEXT,
                at_seconds=line.start_seconds,
                frame=int(line.start_seconds * self._frame_rate + 1e-6),
                label=line.text,
                box=line.box,
                confidence=line.confidence,
                value=round(line.end_seconds - line.start_seconds, 3),
            )
            for line in self._tracker.lines(duration_seconds)
        ]
