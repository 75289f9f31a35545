"""The street scene `vtest.avi` of Debian's package `opencv-doc`: 768x576, 795 frames at 10 a second, people walking.

No registry of ours carries it, so that it is fetched with apt; where there is no apt, tests that need it are skipped.
"""

import hashlib
import shutil
import subprocess
import tarfile
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from data.locks import file_lock
from tests.fakes.clips import clips_directory

_PACKAGE = "opencv-doc"
_MEMBER = "/usr/share/doc/opencv-doc/examples/data/vtest.avi"
_SHA256 = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
_LIMIT_SECONDS = 280.0


@lru_cache
def vtest() -> Path:
    """Return the clip, fetched once for all tests of a user; skips where it cannot be had."""
    clip = clips_directory() / "vtest" / "vtest.avi"
    clip.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(clip.parent / "lock", _LIMIT_SECONDS):
        if not _is_right(clip):
            _fetch(clip)
    return clip


def _is_right(clip: Path) -> bool:
    return clip.is_file() and hashlib.sha256(clip.read_bytes()).hexdigest() == _SHA256


def _fetch(clip: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("vtest.avi comes with Debian's opencv-doc, and there is no apt here")
    with TemporaryDirectory() as scratch:
        command = ["apt-get", "download", _PACKAGE]
        subprocess.run(command, cwd=scratch, capture_output=True, timeout=_LIMIT_SECONDS, check=False)
        package = next(Path(scratch).glob("*.deb"), None)
        if package is None:
            pytest.skip("apt gives no opencv-doc: run `apt-get update`")
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as unpacked:
            with tarfile.open(fileobj=unpacked.stdout, mode="r|") as tree:
                for entry in tree:
                    if entry.name.lstrip(".") == _MEMBER and (stream := tree.extractfile(entry)) is not None:
                        partial = clip.with_suffix(".partial")
                        partial.write_bytes(stream.read())
                        partial.replace(clip)
            unpacked.communicate()
    assert _is_right(clip), f"{clip} is not the vtest.avi that was counted"
