"""Where sources come from: allowed folders, allowed buckets and public ``https://`` addresses. No Prefect."""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import httpx

from data.addresses import UNFIT, UNREACHABLE
from data.domain.errors import (
    AddressForbiddenError,
    AddressUnknownError,
    DataError,
    DiskFullError,
    InputTooLargeError,
    SourceForbiddenError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from data.domain.sources import file_name
from tasks.providers.buckets import S3Access, find_object
from tasks.providers.web import public_client

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class SourceLimits:
    """What may be fetched, and from where."""

    max_bytes: int
    allowed_roots: tuple[Path, ...] = ()
    allow_private_hosts: bool = False
    timeout_seconds: float = 30.0
    """Longest silence of a remote source."""
    s3: S3Access = field(default_factory=S3Access)
    max_seconds: float = 4000.0
    """Longest fetch as a whole; a host that drips byte by byte must not hold a slot for ever."""


@dataclass(frozen=True)
class FetchedSource:
    """A source as it lies in the workspace."""

    path: Path
    sha256: str
    size_bytes: int
    name: str
    """File name for people, without folders and control characters."""


@dataclass
class _Copy:
    """Bytes on their way into a file, hashed and counted as they pass."""

    target: BinaryIO
    max_bytes: int
    size_bytes: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        if self.size_bytes > self.max_bytes:
            raise too_large(self.max_bytes)
        self.digest.update(chunk)
        self.target.write(chunk)


def fetch_source(
    source: str,
    target: Path,
    limits: SourceLimits,
    on_progress: Callable[[float], None] | None = None,
) -> FetchedSource:
    """Copy a local path, an ``https://`` or an ``s3://`` source into ``target``, hashing it on the way.

    Args:
        source: An absolute path below one of ``limits.allowed_roots``, an ``https://`` address, or
            ``s3://bucket/key`` in an allowed bucket.
        target: The file to write; replaced if it is there.
        limits: What may be fetched.
        on_progress: Told the share (0–1) that is copied, where the size is known.

    Raises:
        SourceForbiddenError: The path lies outside the roots, the bucket is not allowed, or the address is not a public
            ``https://`` one.
        SourceInvalidError: It is ``s3://`` without a bucket or a key.
        SourceNotFoundError: There is nothing there.
        InputTooLargeError: It is larger than ``limits.max_bytes``.
        SourceUnavailableError: The host did not answer, or broke off.
        DiskFullError: The workspace has no space for it.
    """
    scheme = urlsplit(source).scheme.lower() if "://" in source else ""
    if scheme in ("https", "http"):
        return _fetch_remote(source, target, limits, on_progress)
    if scheme == "s3":
        return _fetch_object(source, target, limits, on_progress)
    if scheme:
        message = f"Sources of the kind {scheme}:// are not taken; use https:// or s3://."
        raise SourceForbiddenError(message, {"scheme": scheme})
    return _fetch_local(source, target, limits, on_progress)


def too_large(max_bytes: int) -> InputTooLargeError:
    """Return the refusal of a source with more bytes than the limit."""
    return InputTooLargeError(f"The source is larger than the limit of {max_bytes} bytes.", {"max_bytes": max_bytes})


def _fetch_local(
    source: str, target: Path, limits: SourceLimits, on_progress: Callable[[float], None] | None
) -> FetchedSource:
    path = allowed_path(source, limits.allowed_roots)
    try:
        # O_NONBLOCK: opening a FIFO must not wait for a writer that never comes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(source, error) from error
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SourceForbiddenError(f"{source} is not a regular file.", {"source": source})
        if status.st_size > limits.max_bytes:
            raise too_large(limits.max_bytes)
        chunks = iter(lambda: file.read(_CHUNK_BYTES), b"")
        return _copy(chunks, target, limits.max_bytes, path.name, status.st_size, on_progress)


def allowed_path(source: str, roots: Iterable[Path]) -> Path:
    """Return the real path of a local source.

    Raises:
        SourceForbiddenError: It is not absolute, or lies outside the roots once links are followed.
        SourceNotFoundError: There is nothing there.
    """
    path = Path(source)
    if not path.is_absolute() or "\0" in source:
        raise SourceForbiddenError(
            f"A local source is an absolute path; {source!r} is not. Or upload it, or give an https:// address.",
            {"source": source},
        )
    real = Path(os.path.realpath(path))
    if not any(real.is_relative_to(os.path.realpath(root)) for root in roots):
        raise SourceForbiddenError(
            f"{source} lies outside the folders that sources may come from (setting DAILIES_INGEST__ALLOWED_ROOTS).",
            {"source": source},
        )
    if not real.exists():
        raise SourceNotFoundError(f"There is no file at {source}.", {"source": source})
    return real


def _unreadable(source: str, error: OSError) -> DataError:
    if error.errno == errno.ENOENT:
        return SourceNotFoundError(f"There is no file at {source}.", {"source": source})
    return SourceForbiddenError(f"{source} cannot be read: {error.strerror}.", {"source": source})


def _fetch_remote(
    source: str, target: Path, limits: SourceLimits, on_progress: Callable[[float], None] | None
) -> FetchedSource:
    with public_client(
        allow_private_hosts=limits.allow_private_hosts, timeout_seconds=limits.timeout_seconds
    ) as client:
        try:
            with client.stream("GET", source) as response:
                _refuse_bad_answer(source, response)
                size = int(response.headers.get("content-length") or 0)
                if size > limits.max_bytes:
                    raise too_large(limits.max_bytes)
                name = PurePosixPath(unquote(urlsplit(str(response.url)).path)).name
                chunks = _before_deadline(response.iter_bytes(_CHUNK_BYTES), source, limits.max_seconds)
                fetched = _copy(chunks, target, limits.max_bytes, name, size, on_progress)
        except AddressForbiddenError as error:
            raise SourceForbiddenError(error.message, {**error.facts, "source": source}) from error
        except AddressUnknownError as error:
            raise SourceUnavailableError(error.message, error.facts) from error
        except UNFIT as error:
            raise SourceForbiddenError(f"{source} cannot be fetched: {error}.", {"source": source}) from error
        except UNREACHABLE as error:
            raise SourceUnavailableError(f"{source} could not be fetched: {error!r}.", {"source": source}) from error
    return fetched


def _fetch_object(
    source: str, target: Path, limits: SourceLimits, on_progress: Callable[[float], None] | None
) -> FetchedSource:
    found = find_object(source, limits.s3)
    if found.size_bytes > limits.max_bytes:
        raise too_large(limits.max_bytes)
    chunks = _before_deadline(found.read(), source, limits.max_seconds)
    return _copy(chunks, target, limits.max_bytes, file_name(source), found.size_bytes, on_progress)


def _before_deadline(chunks: Iterable[bytes], source: str, max_seconds: float) -> Iterator[bytes]:
    deadline = time.monotonic() + max_seconds
    for chunk in chunks:
        if time.monotonic() > deadline:
            raise SourceUnavailableError(f"{source} took longer than {max_seconds:.0f} s.", {"source": source})
        yield chunk


def _refuse_bad_answer(source: str, response: httpx.Response) -> None:
    status = response.status_code
    if status in (404, 410):
        raise SourceNotFoundError(f"There is nothing at {source} (HTTP {status}).", {"source": source})
    if status in (408, 425, 429) or status >= 500:
        raise SourceUnavailableError(f"{source} answered HTTP {status}.", {"source": source, "status": status})
    if status != 200:
        raise SourceForbiddenError(f"{source} answered HTTP {status}.", {"source": source, "status": status})


def _copy(
    chunks: Iterable[bytes],
    target: Path,
    max_bytes: int,
    name: str,
    expected_bytes: int,
    on_progress: Callable[[float], None] | None,
) -> FetchedSource:
    try:
        with target.open("wb") as file:
            copy = _Copy(file, max_bytes)
            for chunk in chunks:
                copy.write(chunk)
                if on_progress and expected_bytes:
                    on_progress(min(1.0, copy.size_bytes / expected_bytes))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError("No space is left in the workspace for the source.", {"path": str(target)}) from error
        raise
    return FetchedSource(target, copy.digest.hexdigest(), copy.size_bytes, display_name(name))


def display_name(name: str) -> str:
    """Return a file name that is safe to show: no control characters, at most 200 characters, never empty."""
    return "".join(c for c in name if c.isprintable()).strip()[:200] or "video"
