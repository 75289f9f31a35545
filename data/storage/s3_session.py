"""One process's connection to S3: s3fs on fsspec's own event-loop thread, and its errors in our words."""

import asyncio
import concurrent.futures
import errno
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import aiohttp
import s3fs
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]
from fsspec.asyn import get_loop

from data.domain.errors import (
    DailiesError,
    DiskFullError,
    ObjectMissingError,
    StoreUnavailableError,
)

T = TypeVar("T")

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 60
LOOK_SECONDS = 10.0
"""So often who waits for a transfer looks after it; what hangs is ended by the time limits above."""
FOREIGN_ERRORS = (OSError, BotoCoreError, ClientError, ResponseParserError, aiohttp.ClientError, TimeoutError)
"""Everything that s3fs, botocore, aiohttp and the local disk say when something is wrong."""

_MISSING = {"NoSuchKey", "NotFound", "404"}
_REFUSED = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
_inherited: list[object] = []
"""Connections that a fork brought along. They are kept, because closing them here would disturb the parent's."""


class S3Session:
    """Address and credentials of an S3 server, with a connection that is made on first use, anew in a forked child."""

    def __init__(
        self,
        endpoint_url: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        region: str = "us-east-1",
    ) -> None:
        self._endpoint_url = endpoint_url
        self._access_key = access_key
        self._secret_key = secret_key
        self._region = region
        self._filesystem: s3fs.S3FileSystem | None = None
        self._process_id = 0
        self._making = threading.Lock()

    @property
    def is_aws(self) -> bool:
        """Whether the server is Amazon's own."""
        return self._endpoint_url is None

    def run(self, subject: str, work: Callable[[s3fs.S3FileSystem], Coroutine[Any, Any, T]]) -> T:
        """Carry out a coroutine on the event-loop thread and wait for it; if we are interrupted, so is it.

        Args:
            subject: The key or prefix that it is about, for messages.
            work: Makes the coroutine from the connection.

        Raises:
            DailiesError: What went wrong, in our words.
        """
        future = asyncio.run_coroutine_threadsafe(work(self._connected()), get_loop())
        try:
            while not future.done():  # to look is a sign of life: a large object may take longer than a step may hang
                concurrent.futures.wait([future], LOOK_SECONDS)
            return future.result()
        except FOREIGN_ERRORS as error:
            raise translated(error, subject) from error
        except concurrent.futures.CancelledError as error:
            raise StoreUnavailableError(f"The transfer of {subject} was cancelled.", {"key": subject}) from error
        finally:
            future.cancel()

    def _connected(self) -> s3fs.S3FileSystem:
        """This process's connection. Sockets and event loop of the parent are of no use in a forked child."""
        if self._process_id != os.getpid():
            _inherited.append((self._filesystem, self._making))
            self._making = threading.Lock()  # the parent's may have been held at the moment of the fork
            self._filesystem = None
            self._process_id = os.getpid()
        with self._making:
            if self._filesystem is None:
                self._filesystem = self._connect()
                weakref.finalize(self, _close, self._filesystem, os.getpid())
            return self._filesystem

    def _connect(self) -> s3fs.S3FileSystem:
        return s3fs.S3FileSystem(
            asynchronous=True,  # we run its coroutines ourselves
            endpoint_url=self._endpoint_url,
            key=self._access_key,
            secret=self._secret_key,
            client_kwargs={"region_name": self._region},
            config_kwargs=self._config(),
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "signature_version": "s3v4",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "read_timeout": READ_TIMEOUT_SECONDS,
            "retries": {"mode": "standard", "total_max_attempts": 3},
            "max_pool_connections": 32,
        }
        if self._endpoint_url:  # other servers have no host name per bucket, and many know no CRC trailers
            config["s3"] = {"addressing_style": "path"}
            config["request_checksum_calculation"] = "when_required"
            config["response_checksum_validation"] = "when_required"
        return config


def is_refused_condition(error: OSError) -> bool:
    """Say whether the server refused a write because the object is not (or no longer) what the writer expects."""
    return _answer_of(error).get("Error", {}).get("Code") in _REFUSED | _MISSING


def translated(error: Exception, subject: str) -> DailiesError:
    """Return our error for what S3 or the network said about a key."""
    answer = _answer_of(error)
    code = str(answer.get("Error", {}).get("Code", ""))
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    facts = {"key": subject, "s3_code": code or type(error).__name__}
    if code in _MISSING:
        return ObjectMissingError(f"There is no object {subject}.", facts)
    is_local_disk = not answer and isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if is_local_disk or status == 507:
        return DiskFullError(f"No space is left for {subject}.", facts)
    return StoreUnavailableError(f"The object store failed on {subject}: {error}", facts)


def _answer_of(error: BaseException | None) -> Mapping[str, Any]:
    """The server's answer inside an error: s3fs turns it into errors of the operating system and keeps it as cause."""
    while error is not None and not isinstance(error, ClientError):
        error = error.__cause__
    return error.response if error is not None else {}


def _close(filesystem: s3fs.S3FileSystem, process_id: int) -> None:
    creator = getattr(filesystem, "_s3creator", None)
    if process_id == os.getpid() and creator is not None:
        filesystem.close_session(get_loop(), creator)
