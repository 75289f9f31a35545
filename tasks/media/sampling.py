"""Frames of a video at even times, decoded once from beginning to end: what models look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from data.domain.errors import CorruptInputError

_SLACK_SECONDS = 1e-3


@dataclass(frozen=True, eq=False)
class SampledFrame:
    """One frame."""

    at_seconds: float
    image_bgr: NDArray[np.uint8]
    """Height × width × 3, as OpenCV has it."""


def sampled_frames(video: Path, interval_seconds: float, threads: int = 0) -> Iterator[SampledFrame]:
    """Yield the first frame of a video, and from then on one for each interval.

    Args:
        video: Any file with a picture.
        interval_seconds: From one frame to the next; a video with fewer frames than that yields each.
        threads: Of the decoder; 0 lets it choose.

    Raises:
        CorruptInputError: It cannot be decoded, or has no picture.
    """
    try:
        with av.open(str(video), metadata_errors="replace") as container:
            if not container.streams.video:
                raise CorruptInputError(f"{video.name} has no picture.", {"name": video.name})
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = threads
            yield from _sampled(container.decode(stream), interval_seconds)
    except av.FFmpegError as error:
        message = f"The picture of {video.name} cannot be decoded: {error.strerror}."
        raise CorruptInputError(message, {"name": video.name}) from error


def _sampled(frames: Iterator[Any], interval_seconds: float) -> Iterator[SampledFrame]:
    due_at = 0.0
    for frame in frames:
        at_seconds = max(0.0, frame.time or 0.0)
        if at_seconds + _SLACK_SECONDS >= due_at:
            yield SampledFrame(at_seconds, frame.to_ndarray(format="bgr24"))
            due_at = (at_seconds // interval_seconds + 1) * interval_seconds
