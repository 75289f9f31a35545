"""A folder as a manifest: all the videos in it, one a line."""

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from stat import S_ISREG

import orjson
import psutil

from data.domain.watching import FileLook, may_be_video, recipe_of

_WRITING = ("w", "a", "r+", "w+", "a+")


def look_around(folder: Path) -> dict[str, FileLook]:
    """Return how the files of a folder look that may be videos, by path; sub-folders too, but no links."""
    return {str(path): FileLook(stat.st_size, stat.st_mtime_ns) for path, stat in _files(folder)}


def open_to_write(paths: Collection[str]) -> frozenset[str]:
    """Return those of some files that a process has open to write, as far as we may see."""
    wanted, found = frozenset(paths), set[str]()
    for process in psutil.process_iter() if wanted else ():
        try:
            files = process.open_files()
        except psutil.Error:  # it has ended, or is another user's
            continue
        found |= {file.path for file in files if file.path in wanted and file.mode in _WRITING}
    return frozenset(found)


def write_listing(folder: Path, paths: Iterable[str], recipes: frozenset[str], default: str, target: Path) -> int:
    """Write files of a folder as a JSONL manifest, and return how many.

    Args:
        folder: The folder.
        paths: Files in it.
        recipes: Names of recipes: a sub-folder named as one gives it to its files.
        default: Recipe of the others; empty leaves it to the batch.
        target: Written anew.
    """
    count = 0
    with target.open("wb") as file:
        for path in paths:
            recipe = recipe_of(Path(path).relative_to(folder), recipes, default)
            row = {"source": path} | ({"recipe": recipe} if recipe else {})
            file.write(orjson.dumps(row) + b"\n")
            count += 1
    return count


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root, name)
            if not may_be_video(path.relative_to(folder)):
                continue
            try:
                stat = path.lstat()
            except OSError:  # gone in between
                continue
            if S_ISREG(stat.st_mode) and stat.st_size:
                yield path, stat
