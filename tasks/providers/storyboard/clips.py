"""The user's own clips inside a storyboard: brought to the frame's size and rate by ffmpeg, then played frame by frame.

A clip that ends before its scene plays slower, at most by a third, and holds its last picture for the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import ffmpeg
import numpy as np

from data.domain.assets import SourceFacts
from tasks.media.opening import paired
from tasks.media.probe import SAFE_INPUT_ARGUMENTS, probe
from tasks.media.process import Limits, run_ffmpeg
from tasks.media.tools import Toolset
from tasks.providers.storyboard.canvas import Canvas, Frame

_LEAST_KEPT = 0.5  # of a clip's area that must stay when it fills the frame
_PUNCH = 1.3  # a clip that does not fill the frame loses a little at its sides, to be larger
_SLOWEST = 0.67
_LIMITS = Limits(soft_seconds=900.0, hard_seconds=930.0, stall_seconds=120.0)


@dataclass(frozen=True)
class PreparedClip:
    """A clip in the frame's size and rate, as a file of ours."""

    path: Path
    duration_seconds: float
    sound: Path | None
    """Its sound as WAV, where that was asked for and there is some."""


def prepare_clip(
    source: Path,
    canvas: Canvas,
    frame_rate: int,
    longest_seconds: float,
    target: Path,
    tools: Toolset,
    *,
    with_sound: bool = False,
) -> PreparedClip:
    """Bring the beginning of a clip to the frame's size and rate.

    Args:
        source: The user's file; it can make ffmpeg open nothing else.
        canvas: The frame.
        frame_rate: Frames a second.
        longest_seconds: What is not needed is not decoded.
        target: The new file (``.mp4``); its sound goes beside it.
        tools: Where ffmpeg is.
        with_sound: Keep its sound too.

    Raises:
        DataError: The file is no video that can be read.
        DailiesError: ffmpeg failed, stalled, was killed or ran out of disk.
    """
    facts = probe(source, tools, scratch=target.parent)
    sound = target.with_suffix(".wav") if with_sound and facts.audio else None
    arguments = clip_arguments(source, facts, canvas, frame_rate, longest_seconds, target, sound)
    run_ffmpeg(arguments, tools=tools, log_path=target.with_suffix(".log"), limits=_LIMITS)
    return PreparedClip(target, min(longest_seconds, facts.duration_seconds), sound)


def clip_arguments(
    source: Path,
    facts: SourceFacts,
    canvas: Canvas,
    frame_rate: int,
    longest_seconds: float,
    target: Path,
    sound: Path | None,
) -> list[str]:
    """Return ffmpeg's arguments for :func:`prepare_clip`."""
    opened = ffmpeg.input(f"file:{source.absolute()}", t=f"{longest_seconds:.3f}", **paired(SAFE_INPUT_ARGUMENTS))
    pictures = opened[str(facts.video.stream_index)].filter("fps", fps=frame_rate, start_time=0)
    framed = _framed(pictures, facts, canvas).filter("setsar", 1).filter("format", "yuv420p")
    outputs = [
        ffmpeg.output(
            framed,
            str(target),
            **{"c:v": "libx264"},
            preset="ultrafast",
            crf=12,
            threads=1,
            map_metadata="-1",
            color_primaries="bt709",
            color_trc="bt709",
            colorspace="bt709",
        )
    ]
    if sound is not None and facts.audio is not None:
        stereo = opened[str(facts.audio.stream_index)].filter("aresample", 48_000, **{"async": 1, "first_pts": 0})
        outputs.append(ffmpeg.output(stereo, str(sound), ac=2, **{"c:a": "pcm_s16le"}))
    command: list[str] = ffmpeg.merge_outputs(*outputs).compile()
    return command[1:]


def _framed(pictures: Any, facts: SourceFacts, canvas: Canvas) -> Any:
    width, height = facts.video.width, facts.video.height
    scale = max(canvas.width / width, canvas.height / height)
    kept = canvas.width * canvas.height / (width * height * scale * scale)
    colours = {"out_color_matrix": "bt709", "out_range": "tv"}
    if kept >= _LEAST_KEPT:
        filled = pictures.filter(
            "scale", canvas.width, canvas.height, force_original_aspect_ratio="increase", flags="lanczos", **colours
        )
        return filled.filter("crop", canvas.width, canvas.height)
    parts = pictures.filter_multi_output("split", 2)
    small = (_even(canvas.width / 8), _even(canvas.height / 8))
    behind = (
        parts[0]
        .filter("scale", *small, force_original_aspect_ratio="increase", **colours)
        .filter("crop", *small)
        .filter("gblur", sigma=6)
        .filter("scale", canvas.width, canvas.height, flags="bicubic")
        .filter("lutyuv", y="16+(val-16)*0.6")
    )
    fit = min(canvas.width / width, canvas.height / height)
    size = [_even(side * min(scale, fit * _PUNCH)) for side in (width, height)]
    whole = parts[1].filter("scale", *size, flags="lanczos", **colours)
    whole = whole.filter("crop", min(size[0], canvas.width), min(size[1], canvas.height))
    return ffmpeg.overlay(behind, whole, x="(W-w)/2", y="(H-h)*0.44")


def _even(value: float) -> int:
    return max(8, round(value / 2) * 2)


class Clip:
    """Plays a prepared clip; lives as long as its scene.

    Args:
        clip: The clip.
        frame_rate: Its frames a second.
        duration_seconds: How long it is shown.
    """

    def __init__(self, clip: PreparedClip, frame_rate: int, duration_seconds: float) -> None:
        self._speed = min(1.0, max(_SLOWEST, clip.duration_seconds / max(duration_seconds, 0.1)))
        self._rate = frame_rate
        self._frames = _frames(clip.path)
        self._shown: Frame = next(self._frames)
        self._index = 0

    def paint(self, at_seconds: float) -> Frame:
        """Return the frame at a time from the scene's beginning; times never go back."""
        wanted = int(max(0.0, at_seconds) * self._speed * self._rate + 0.01)
        while self._index < wanted:
            following = next(self._frames, None)
            if following is None:
                break
            self._shown = following
            self._index += 1
        return self._shown.copy()


def _frames(path: Path) -> Iterator[Frame]:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
