"""Frames that a model makes become a video: piped to ffmpeg as they are, nothing lies on disk in between."""

import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from data.domain.errors import EncodeFailedError

_TAIL_CHARACTERS = 500
_END_SECONDS = 600.0


def encode_frames(
    frames: Iterable[bytes],
    *,
    made_size: tuple[int, int],
    made_rate: float,
    size: tuple[int, int],
    frame_rate: int,
    frame_count: int,
    target: Path,
    ffmpeg: Path,
    on_frame: Callable[[], None],
) -> None:
    """Write frames as an H.264 MP4 that loses next to nothing: renditions are made of it.

    Should this process be killed, ffmpeg comes to the end of its input and ends by itself.

    Args:
        frames: Pictures, 8 bits of red, green and blue a pixel.
        made_size: Their width and height.
        made_rate: How many make a second.
        size: Width and height of the video; pictures are scaled to cover it and cut.
        frame_rate: Frames a second of the video.
        frame_count: Frames of the video.
        target: The file.
        ffmpeg: The program.
        on_frame: Called after each frame; what it raises ends ffmpeg and is raised on.

    Raises:
        EncodeFailedError: ffmpeg failed; the message holds what it said last.
    """
    log = target.with_name(f"{target.name}.log")
    command = [str(ffmpeg), *_arguments(made_size, made_rate, size, frame_rate, frame_count), str(target)]
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said)
    assert process.stdin is not None
    try:
        # Where ffmpeg ends early, its log says why.
        with suppress(BrokenPipeError), process.stdin as pipe:
            for frame in frames:
                pipe.write(frame)
                on_frame()
        code = process.wait(_END_SECONDS)
    finally:
        process.kill()
        process.wait()
    if code:
        tail = log.read_text(encoding="utf-8", errors="replace")[-_TAIL_CHARACTERS:].strip()
        raise EncodeFailedError(f"ffmpeg could not make a video of the frames: {tail}", {"exit_code": code})
    log.unlink()


def _arguments(
    made_size: tuple[int, int], made_rate: float, size: tuple[int, int], frame_rate: int, frame_count: int
) -> list[str]:
    width, height = size
    picture = (
        f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=lanczos"
        ":out_color_matrix=bt709:out_range=tv"
        f",crop={width}:{height},setsar=1,fps={frame_rate},format=yuv420p"
    )
    colours = [part for name in ("colorspace", "color_primaries", "color_trc") for part in (f"-{name}", "bt709")]
    pixels = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{made_size[0]}x{made_size[1]}"]
    return [
        *("-hide_banner", "-loglevel", "error", "-y"),
        *(*pixels, "-framerate", f"{made_rate:g}", "-i", "pipe:0"),
        *("-vf", picture, "-frames:v", str(frame_count)),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "12", *colours, "-movflags", "+faststart"),
    ]
