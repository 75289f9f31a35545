"""Write a video with something drawn over its pictures, small enough to be played in a browser, with its own sound."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from tasks.media.arguments import NO_LEFTOVERS
from tasks.media.decoding import Clip, DecodeContext
from tasks.media.mezzanine import FrameOperation, pump, pumped
from tasks.media.normalise import BT709, sound_in_step
from tasks.media.opening import paired
from tasks.media.probe import SAFE_INPUT_ARGUMENTS
from tasks.media.process import Limits
from tasks.media.tools import Toolset

CRF = 23
_PRESET = "veryfast"
_SOUND_KBPS = 128


@dataclass(frozen=True)
class DrawnOver:
    """A video that is to be written."""

    clip: Clip
    """Gives the pictures."""
    sound: Clip | None
    """Gives the sound, as long as the pictures; ``None``: there is none."""
    size: tuple[int, int]
    """Width and height in pixels at which it is drawn on, and written."""


def write_drawn_over(
    video: DrawnOver,
    draw: FrameOperation,
    target: Path,
    *,
    scratch: Path,
    tools: Toolset,
    threads: int,
    limits: Limits,
    run_id: str = "",
) -> int:
    """Write a video as MP4 (H.264 and AAC, index in front), each of its frames drawn on; return how many there are.

    Args:
        video: What to write.
        draw: Takes the number and the picture of each frame, in order.
        target: The file to write.
        scratch: Directory for logs.
        tools: The programs.
        threads: Threads that the encode may keep busy, at least 1.
        limits: Time limits in seconds.
        run_id: Marks the processes for a later sweep.

    Raises:
        DailiesError: The video cannot be decoded, or a program failed, stalled, was killed, or ran out of time or disk.
    """
    watched: dict[str, Any] = {
        "tools": tools,
        "log_path": scratch / "drawn-over.log",
        "limits": limits,
        "expected_seconds": video.clip.duration_seconds,
        "run_id": run_id,
    }
    arguments = drawn_over_arguments(video, target, threads)
    context = DecodeContext(tools, limits.stall_seconds, run_id, threads)
    log_path = scratch / "drawn-from.log"
    return pumped(arguments, watched, lambda sink: pump(video.clip, video.size, (draw,), sink, context, log_path))


def drawn_over_arguments(video: DrawnOver, target: Path, threads: int) -> list[str]:
    """Return the arguments, without the program; the pictures come by pipe."""
    piped = ffmpeg.input(
        "pipe:0", format="rawvideo", pixel_format="bgr24", video_size=video.size, framerate=video.clip.frame_rate
    )
    pictures = (
        piped["v"]
        .filter("scale", out_color_matrix="bt709", out_range="tv", flags="bicubic+accurate_rnd+full_chroma_int")
        .filter("format", "yuv420p")
        .filter("setparams", **BT709)
    )
    sound = video.sound
    outputs = [pictures]
    if sound is not None and sound.facts.audio is not None:
        opened = ffmpeg.input(str(sound.path), **paired(SAFE_INPUT_ARGUMENTS))
        stream = opened[str(sound.facts.audio.stream_index)]
        outputs.append(sound_in_step(stream, sound.facts, video.clip.sample_count, "stereo"))
    command: list[str] = ffmpeg.output(
        *outputs,
        str(target),
        **{"c:v": "libx264", "c:a": "aac", "b:a": f"{_SOUND_KBPS}k"},
        preset=_PRESET,
        crf=CRF,
        g=max(1, round(2 * video.clip.frame_rate)),
        threads=threads,
        movflags="+faststart",
        **NO_LEFTOVERS,
    ).compile()
    return ["-loglevel", "verbose", "-y", "-filter_complex_threads", str(threads), *command[1:]]
