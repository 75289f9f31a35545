"""A contact sheet: one PNG with stills of a whole video, evenly spaced, to see at a glance what is in it."""

import math
from pathlib import Path

import ffmpeg

from tasks.media.probe import probe
from tasks.media.process import Limits, run_ffmpeg
from tasks.media.tools import Toolset

_GAP_PIXELS = 8
_LIMITS = Limits(soft_seconds=900.0, hard_seconds=930.0, stall_seconds=120.0)


def write_contact_sheet(
    video: Path, target: Path, tools: Toolset, *, stills: int = 12, sheet_width: int = 1600, columns: int | None = None
) -> None:
    """Write stills of a video as one PNG, from the left and from the top.

    Args:
        video: A video of ours.
        target: The PNG to write; what ffmpeg says goes beside it (``.log``).
        tools: Where ffmpeg is.
        stills: How many, each from the middle of its share of the video.
        sheet_width: Width of the sheet in pixels, about.
        columns: Stills side by side; ``None`` takes 4 of landscape, 6 of portrait video.

    Raises:
        DailiesError: The video cannot be read, or ffmpeg failed.
    """
    facts = probe(video, tools, scratch=target.parent)
    columns = min(stills, columns or (4 if facts.video.width >= facts.video.height else 6))
    run_ffmpeg(
        sheet_arguments(video, target, facts.duration_seconds, stills, columns, sheet_width // columns),
        tools=tools,
        log_path=target.with_suffix(".log"),
        limits=_LIMITS,
    )


def sheet_arguments(
    video: Path, target: Path, duration_seconds: float, stills: int, columns: int, still_width: int
) -> list[str]:
    """Return ffmpeg's arguments for :func:`write_contact_sheet`."""
    step = duration_seconds / stills
    tiled = (
        ffmpeg.input(f"file:{video.absolute()}")
        .video.filter("trim", start=f"{step / 2:.6f}")
        .filter("setpts", "PTS-STARTPTS")
        .filter("fps", fps=f"{1 / step:.9f}", round="up")
        .filter("scale", still_width, -2)
        .filter("tile", f"{columns}x{math.ceil(stills / columns)}", padding=_GAP_PIXELS, margin=_GAP_PIXELS)
    )
    command: list[str] = ffmpeg.output(tiled, str(target), **{"frames:v": 1}, update=1).compile()
    return command[1:]
