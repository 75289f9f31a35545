"""Fingerprints: what a source's content is known by without reading it, to see whether it changed since last night.

Two equal fingerprints of a source mean equal content as far as its host can be believed; unequal ones, that it has to
be read to know. Take one *before* the content is read: a file that is replaced meanwhile then looks changed next time.
"""

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from data.addresses import UNFIT, UNREACHABLE
from data.domain.errors import DailiesError
from data.domain.sources import S3_SCHEME, UPLOAD_SCHEME
from tasks.providers.buckets import find_object
from tasks.providers.sources import SourceLimits
from tasks.providers.web import public_client

AT_ONCE = 16
"""How many remote sources are asked at once."""
MAX_TIMEOUT_SECONDS = 10.0
MAX_FAILURES = 3
"""A host that failed so often is not asked again: a thousand rows of a dead host must not take hours."""
_SETTLED = timedelta(seconds=60)
"""``Last-Modified`` has whole seconds: content that changed just now may change again within the same one."""


def fingerprint(source: str, limits: SourceLimits) -> str | None:
    """Return what a source's content is known by now; ``None`` where that cannot be told without reading it.

    It never fails: what is wrong with a source is for ingest to say.
    """
    return fingerprints([source], limits)[source]


def fingerprints(sources: Iterable[str], limits: SourceLimits) -> dict[str, str | None]:
    """Return the fingerprints of many sources: files at once, remote sources several at a time.

    Args:
        sources: As manifests have been checked for; a source that stands there twice is asked once.
        limits: What may be fetched, and from where.
    """
    distinct = dict.fromkeys(sources)
    remote = [source for source in distinct if "://" in source and not source.startswith("/")]
    found = {source: _local(source) for source in distinct.keys() - set(remote)}
    if remote:
        with _Remote(limits) as hosts, ThreadPoolExecutor(min(AT_ONCE, len(remote))) as threads:
            found |= dict(zip(remote, threads.map(hosts.ask, remote), strict=True))
    return {source: found[source] for source in distinct}


def _local(source: str) -> str | None:
    if source.startswith(UPLOAD_SCHEME):
        return source  # an upload never changes
    try:
        status = os.stat(source)  # noqa: PTH116 - ten thousand in a tenth of a second
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    parts = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
    return "file:" + ":".join(map(str, parts))


class _Remote:
    """Hosts that are asked for fingerprints, for the time of one call; used by several threads."""

    def __init__(self, limits: SourceLimits) -> None:
        self._limits = limits
        self._failures: Counter[str] = Counter()
        self._client = public_client(
            allow_private_hosts=limits.allow_private_hosts,
            timeout_seconds=min(limits.timeout_seconds, MAX_TIMEOUT_SECONDS),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(self, source: str) -> str | None:
        """Return the fingerprint of a remote source."""
        try:
            host = urlsplit(source).netloc
            if self._failures[host] >= MAX_FAILURES:
                return None
            return self._object(source) if source.startswith(S3_SCHEME) else self._page(source)
        except (*UNFIT, ValueError):
            return None
        except DailiesError as error:
            self._failures[host] += error.retryable
        except UNREACHABLE:
            self._failures[host] += 1
        return None

    def _object(self, source: str) -> str:
        found = find_object(source, self._limits.s3)
        return f"s3:{found.size_bytes}:{found.etag}"

    def _page(self, source: str) -> str | None:
        answer = self._client.head(source)
        validator = _validator(answer.headers) if answer.status_code == 200 else None
        return f"https:{hashlib.sha256(validator.encode()).hexdigest()[:32]}" if validator else None


def _validator(headers: httpx.Headers) -> str | None:
    """What a host says of the content that changes with it: a strong ETag, else when it changed, and its length."""
    length, etag = headers.get("content-length", ""), headers.get("etag", "")
    if etag and not etag.startswith("W/"):
        return f"{etag} {length}"
    modified = headers.get("last-modified")
    if not modified or not length:
        return None
    answered = headers.get("date")
    is_settled = answered and _moment(answered) - _moment(modified) >= _SETTLED
    return f"{modified} {length}" if is_settled else None


def _moment(header: str) -> datetime:
    moment = parsedate_to_datetime(header)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
