"""Real clips for tests, by name: pinned in ``tests/clips.lock`` and ``deployments/demo_clip.lock``, fetched once.

``python tests/fakes/clips.py`` (from the root, with ``PYTHONPATH=.``) fetches all of them.
"""

import subprocess
from functools import lru_cache
from pathlib import Path

from platformdirs import user_cache_path

from tasks.media.tools import find_tools
from tasks.models.pins import Pin, PinLock, install, read_lock

ROOT = Path(__file__).resolve().parents[2]
LOCKS = (ROOT / "deployments" / "demo_clip.lock", ROOT / "tests" / "clips.lock")


def clips_directory() -> Path:
    """Where clips are cached on this machine."""
    return user_cache_path("dailies") / "clips"


@lru_cache
def clip(name: str) -> Path:
    """Return a real clip (or still, or sound) by the name it has in the lock; treat it as read-only.

    The first use on a machine fetches the package that carries it.
    """
    lock, pin = _pinned(name)
    return install(lock, pin, clips_directory()) / pin.files[0].name


def clip_names() -> tuple[str, ...]:
    """All clips of the locks."""
    return tuple(pin.name for lock in _locks() for pin in lock.pins)


def own_copy(source: Path, target: Path) -> Path:
    """Copy a video with a title of its own: the same pictures, but the asset of one test alone."""
    title = f"title={target.parent.name}/{target.name}"
    command = [find_tools().ffmpeg, "-v", "error", "-y", "-i", source, "-c", "copy", "-metadata", title, target]
    subprocess.run(command, check=True)
    return target


@lru_cache
def _locks() -> tuple[PinLock, ...]:
    return tuple(read_lock(path) for path in LOCKS)


def _pinned(name: str) -> tuple[PinLock, Pin]:
    for lock in _locks():
        if pin := lock.pin(name):
            return lock, pin
    raise LookupError(f"No clip is named {name!r}; known: {', '.join(clip_names())}")


if __name__ == "__main__":
    for each in clip_names():
        print(each, clip(each))
