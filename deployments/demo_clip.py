"""The demo's clip: forty-four seconds of Big Buck Bunny with real English speech over it, made once, then cached."""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from platformdirs import user_cache_path

from tasks.media.process import Limits, run_ffmpeg
from tasks.media.tools import Toolset, find_tools
from tasks.models.pins import PinLock, install, is_installed, read_lock

CLIP_TITLE = "A Tale of Two Cities, over Big Buck Bunny"
DEMO_LOCK = Path(__file__).with_name("demo_clip.lock")

_START_SECONDS = 60.0
_SECONDS = 44.0
_NAME = "demo-1.mp4"  # count up when the recipe below changes


def demo_clip(
    cache: Path | None = None, tools: Toolset | None = None, say: Callable[[str], None] = lambda line: print(line)
) -> Path:
    """Return the demo's clip, made on first use from two pinned, hash-checked downloads (80 MB).

    Args:
        cache: Where clips are kept; the tests' clips lie in the same place. Default: the user's cache.
        tools: The ffmpeg to use; found when not given.
        say: Takes one line for a person before each step that takes a while.

    Raises:
        DownloadFailedError: No source gave the film or the speech.
        DailiesError: ffmpeg is missing or failed.
    """
    directory = cache or user_cache_path("dailies") / "clips"
    target = directory / _NAME
    if target.is_file():
        return target
    lock = read_lock(DEMO_LOCK)
    film, speech = _installed(lock, "bbb", directory, say), _installed(lock, "two_cities", directory, say)
    say("making the demo clip: picture of Big Buck Bunny, speech of A Tale of Two Cities")
    with TemporaryDirectory(prefix=".demo-", dir=directory) as scratch:
        made = Path(scratch) / _NAME
        run_ffmpeg(
            _arguments(film, speech, made),
            tools=tools or find_tools(),
            log_path=Path(scratch) / "ffmpeg.log",
            limits=Limits(soft_seconds=300, hard_seconds=330),
        )
        made.replace(target)
    return target


def _installed(lock: PinLock, name: str, directory: Path, say: Callable[[str], None]) -> Path:
    pin = lock.pin(name)
    if pin is None:
        raise LookupError(f"{DEMO_LOCK.name} has no {name}.")
    if not is_installed(pin, directory / name):
        say(f"fetching {pin.about} ({pin.size_bytes / 1e6:.0f} MB, {pin.licence})")
    return install(lock, pin, directory) / pin.files[0].name


def _arguments(film: Path, speech: Path, target: Path) -> list[str]:
    """The film's own picture, copied from a keyframe on; the speech as AAC."""
    return [
        *("-ss", str(_START_SECONDS), "-t", str(_SECONDS), "-i", f"file:{film}"),
        *("-t", str(_SECONDS), "-i", f"file:{speech}"),
        *("-map", "0:v:0", "-map", "1:a:0", "-c:v", "copy"),
        *("-c:a", "aac", "-b:a", "128k", "-ar", "48000", "-movflags", "+faststart"),
        *("-f", "mp4", f"file:{target}"),
    ]


if __name__ == "__main__":
    print(demo_clip(say=lambda line: print(line, file=sys.stderr)))
