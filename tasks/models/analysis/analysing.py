"""The analysis of one video: every frame that is wanted is looked at once, in order."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import AnalysisSummary
from tasks.models.analysis.plan import HEAT_COLUMNS, HEAT_ROWS, Analysis, AnalysisPlan, Sampled
from tasks.models.analysis.sink import FrameRow, TelemetrySink


def analyse(
    pictures: Iterable[Sampled],
    plan: AnalysisPlan,
    sink: TelemetrySink,
    on_frame: Callable[[int], None],
    sound: Iterable[NDArray[np.float32]] | None = None,
) -> Analysis:
    """Look at a video.

    Args:
        pictures: The frames to look at, in order; see :func:`tasks.models.analysis.plan.sampled`.
        plan: What is looked for.
        sink: Is told every row and event.
        on_frame: Told after each frame how many were looked at, of :attr:`AnalysisPlan.sample_count`.
        sound: Its sound in blocks of samples × channels at 48 kHz, looked at after the pictures; ``None``: it has none.

    Raises:
        ModelMissingError: A model is not there.
        DetectorInvalidError: The user's ONNX file is no detector that we can read.
    """
    count = 0
    for count, each in enumerate(pictures, start=1):
        sink.frame_row(FrameRow(each.frame, each.at_seconds, 0, 0.0, 0.0, 0.0))
        on_frame(count)
    events: Counter[str] = Counter()
    extra: dict[str, Any] = {"event_counts": dict(events)}
    summary = AnalysisSummary(
        detector="none yet", frame_count=count, size=plan.size, duration_seconds=plan.duration_seconds, **extra
    )
    return Analysis(summary, np.zeros((HEAT_ROWS, HEAT_COLUMNS), np.float32))
