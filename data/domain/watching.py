"""Which files of a watched folder are to become a batch. Pure.

A file is taken once it looks the same for a while; that nobody has it open to write is for whoever can see it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath

_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".download", ".!ut", ".lock", "~")
_TEXTS = (".txt", ".md", ".log", ".csv", ".tsv", ".jsonl", ".json", ".xml", ".yaml", ".yml", ".parquet", ".pdf", ".nfo")
_SIDECARS = (".srt", ".vtt", ".ass", ".md5", ".sha256", ".sfv", ".ini", ".db", ".zip", ".tar", ".gz", ".7z", ".rar")
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic")
_NO_VIDEO = frozenset((*_TEXTS, *_SIDECARS, *_PICTURES))
"""What lies beside videos; whether anything else is one is for ingest to say."""


@dataclass(frozen=True, slots=True)
class FileLook:
    """How a file looks from outside."""

    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class SeenFile:
    """What is remembered of a file."""

    look: FileLook
    steady_since: datetime
    """It has looked like this since then."""
    is_taken: bool
    """It has become part of a batch, looking like this."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a sweep came to."""

    changed: Mapping[str, FileLook]
    """New, or looking otherwise than before."""
    gone: frozenset[str]
    steady: tuple[str, ...]
    """To be taken, in the order of their paths."""


def sight(seen: Mapping[str, SeenFile], looks: Mapping[str, FileLook], now: datetime, quiet_seconds: float) -> Sighting:
    """Compare a folder with what is remembered of it.

    Args:
        seen: What is remembered, by path.
        looks: What is there now, by path.
        now: The time.
        quiet_seconds: A file that has not changed for so long is whole.
    """
    changed = {path: look for path, look in looks.items() if path not in seen or seen[path].look != look}
    quiet = timedelta(seconds=quiet_seconds)
    steady = (
        path
        for path, file in seen.items()
        if path in looks and path not in changed and not file.is_taken and now - file.steady_since >= quiet
    )
    return Sighting(changed, frozenset(seen.keys() - looks.keys()), tuple(sorted(steady)))


def may_be_video(path: PurePath) -> bool:
    """Say whether a file's name, as seen from the watched folder, is that of something to take."""
    if any(part.startswith(".") for part in path.parts) or not str(path).isprintable():
        return False
    name = path.name.lower()
    return not name.endswith(_UNFINISHED) and path.suffix.lower() not in _NO_VIDEO


def recipe_of(path: PurePath, recipes: frozenset[str], default: str) -> str:
    """Return the recipe of a file: that of whose name a folder on its way is, the nearest first, else the default."""
    return next((part.name for part in path.parents if part.name in recipes), default)
