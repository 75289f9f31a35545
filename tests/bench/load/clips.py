"""Videos of a wanted size, each with bytes of its own, so that no job finds another's work."""

import subprocess
from pathlib import Path
from uuid import uuid4

from tasks.media.tools import Toolset
from tests.fakes.clips import clip

KBPS = 8000
"""Of pictures and sound together, as cameras and phones make 720p: a megabyte is a second."""
_AUDIO_KBPS = 128


def videos_of(tools: Toolset, folder: Path, megabytes: float, count: int) -> list[Path]:
    """Make so many videos of that size (MB), 720p, from a real film."""
    first = _of_size(tools, folder / f"size-{megabytes:g}.mp4", megabytes)
    return [_of_its_own(tools, first, folder / f"video-{megabytes:g}-{number:03d}.mp4") for number in range(count)]


def _of_size(tools: Toolset, target: Path, megabytes: float) -> Path:
    seconds = megabytes * 8000 / KBPS
    rate = f"{KBPS - _AUDIO_KBPS}k"
    command = [tools.ffmpeg, "-v", "error", "-y", "-stream_loop", "-1", "-ss", "100", "-i", clip("bbb")]
    command += ["-t", f"{seconds:.3f}", "-vf", "scale=-2:720", "-pix_fmt", "yuv420p", "-c:v", "libx264"]
    command += ["-preset", "ultrafast", "-x264-params", "nal-hrd=cbr", "-b:v", rate, "-minrate", rate, "-maxrate", rate]
    command += ["-bufsize", rate, "-c:a", "aac", "-b:a", f"{_AUDIO_KBPS}k", "-movflags", "+faststart", target]
    subprocess.run([str(part) for part in command], check=True)
    return target


def _of_its_own(tools: Toolset, source: Path, target: Path) -> Path:
    """Copy a video under a title of its own."""
    command = [tools.ffmpeg, "-v", "error", "-y", "-i", source, "-c", "copy", "-movflags", "+faststart"]
    subprocess.run([*map(str, command), "-metadata", f"title={uuid4()}", str(target)], check=True)
    return target
