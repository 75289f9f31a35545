"""The preview: a few seconds that move, as GIF or animated WebP, cut from the parts that look best; small."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg
from PIL import Image, UnidentifiedImageError

from data.domain.recipes import PreviewOptions
from tasks.media.plan import PlannedRung, fitted_size
from tasks.media.process import Limits, run_ffmpeg
from tasks.media.tools import Toolset

MOST_BYTES = 2_000_000
"""No preview is larger: it stands where pages show dozens of them."""

_SNIPPETS = 3
_SHORTEST_SECONDS = 0.5
"""Of one snippet: less than this nobody understands."""
_SHRINKING = (1.0, 0.7, 0.5, 0.35)
"""What is tried of the wanted width until the file is small enough."""
_WEBP_QUALITY = 60
_DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Snippet:
    """A stretch of the video, in seconds."""

    start_seconds: float
    seconds: float


def preview_snippets(
    best_times: Sequence[float], duration_seconds: float, wanted_seconds: float
) -> tuple[Snippet, ...]:
    """Return what to show, in order of time: around the best frames, nothing twice.

    Args:
        best_times: When the frames are shown that look best, the best first.
        duration_seconds: Of the video.
        wanted_seconds: Of the preview; of a video no longer than that all is shown.
    """
    if duration_seconds <= wanted_seconds:
        return (Snippet(0.0, duration_seconds),)
    count = max(1, min(_SNIPPETS, math.floor(wanted_seconds / _SHORTEST_SECONDS)))
    length, last = wanted_seconds / count, duration_seconds - wanted_seconds / count
    evenly = [last * (index + 0.5) / count for index in range(count)]
    starts: list[float] = []
    for wanted in (*(at - length / 2 for at in best_times), *evenly):
        start = min(last, max(0.0, wanted))
        if len(starts) < count and all(abs(start - other) >= length for other in starts):
            starts.append(start)
    return tuple(Snippet(round(start, 3), length) for start in sorted(starts))


def preview_rung(rungs: Sequence[PlannedRung], width: int) -> PlannedRung:
    """Return the lowest rung whose longer side has that many pixels, else the highest."""
    return next((rung for rung in reversed(rungs) if max(rung.width, rung.height) >= width), rungs[0])


def preview_arguments(
    video: Path, snippets: Sequence[Snippet], size: tuple[int, int], fps: float, target: Path
) -> list[str]:
    """Return the arguments that make a preview; the suffix of ``target`` says of which kind.

    Args:
        video: A rung, without sound.
        snippets: What to show of it.
        size: Width and height in pixels.
        fps: Pictures a second.
        target: The file to write.
    """
    parts = [
        ffmpeg.input(str(video), ss=f"{part.start_seconds:.3f}", t=f"{part.seconds:.3f}")["v"] for part in snippets
    ]
    pictures = parts[0] if len(parts) == 1 else ffmpeg.concat(*parts, v=1, a=0)
    pictures = pictures.filter("fps", fps=f"{fps:g}", eof_action="pass").filter(
        "scale", *size, in_color_matrix="bt709", flags="lanczos+accurate_rnd+full_chroma_int"
    )
    options: dict[str, Any] = {"loop": 0, "map_metadata": "-1", "fflags": "+bitexact"}
    if target.suffix == ".gif":
        pictures = _with_palette(pictures)
    else:
        pictures = pictures.filter("format", "bgra")
        options |= {"c:v": "libwebp_anim", "quality": _WEBP_QUALITY, "compression_level": 4}
    command: list[str] = ffmpeg.output(pictures, str(target), **options).compile()
    return ["-y", *command[1:]]


def _with_palette(pictures: Any) -> Any:
    """The 256 colours that show these pictures best, and ordered dots, which compress and do not flicker."""
    parts = pictures.filter("format", "rgb24").filter_multi_output("split", 2)
    palette = parts[0].filter("palettegen", stats_mode="diff")
    return ffmpeg.filter([parts[1], palette], "paletteuse", dither="bayer", bayer_scale=4, diff_mode="rectangle")


def write_preview(
    options: PreviewOptions,
    rung: PlannedRung,
    video: Path,
    snippets: Sequence[Snippet],
    target: Path,
    *,
    tools: Toolset,
    log_path: Path,
    limits: Limits = _DEFAULT_LIMITS,
    run_id: str = "",
    most_bytes: int = MOST_BYTES,
) -> bool:
    """Write a preview, as large as is wanted or as stays small enough; say whether there is one.

    Args:
        options: What it is to be.
        rung: The rung that it is made of.
        video: That rung's pictures.
        snippets: What to show.
        target: The file to write; its suffix says of which kind.
        tools: Where ffmpeg is.
        log_path: File for what ffmpeg says.
        limits: Time limits in seconds.
        run_id: Marks the process for a later sweep.
        most_bytes: Nothing larger is left.

    Raises:
        DailiesError: ffmpeg failed, stalled, was killed or ran out of disk.
    """
    for share in _SHRINKING:
        size = fitted_size(rung.width, rung.height, max(16, round(options.width * share)))
        arguments = preview_arguments(video, snippets, size, options.fps, target)
        run_ffmpeg(arguments, tools=tools, log_path=log_path, limits=limits, run_id=run_id)
        if target.stat().st_size <= most_bytes:
            return True
    target.unlink()
    return False


def frame_count(path: Path) -> int:
    """Return how many frames an animated picture has; 0 where it is not one that can be read to its end."""
    try:
        with Image.open(path) as picture:
            count = int(getattr(picture, "n_frames", 1))
            picture.seek(count - 1)
            picture.load()
            return count
    except (UnidentifiedImageError, OSError, EOFError, ValueError):
        return 0
