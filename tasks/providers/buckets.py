"""Sources that lie in S3: read from allowed buckets with the object store's endpoint and keys, and never written."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from data.domain.errors import (
    InvalidRequestError,
    ObjectMissingError,
    SourceForbiddenError,
    SourceInvalidError,
    SourceNotFoundError,
    SourceUnavailableError,
    StoreUnavailableError,
)
from data.domain.sources import SourceRules, s3_place
from data.storage import ObjectStore, open_store

_REFUSED = {"403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AllAccessDisabled"}
_MISSING = {"NoSuchBucket"}


@dataclass(frozen=True)
class S3Access:
    """Which buckets may be read, and how."""

    buckets: tuple[str, ...] = ()
    endpoint_url: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    region: str = "us-east-1"


@dataclass(frozen=True)
class BucketObject:
    """An object that is there."""

    source: str
    size_bytes: int
    etag: str
    store: ObjectStore
    key: str

    def read(self) -> Iterator[bytes]:
        """Iterate over its content, all of one version.

        Raises:
            SourceUnavailableError: The connection broke for good, or the object was replaced.
        """
        size_bytes = 0
        with _in_our_words(self.source):
            for chunk in self.store.read_range(self.key):
                size_bytes += len(chunk)
                yield chunk
        if size_bytes != self.size_bytes:
            raise SourceUnavailableError(f"{self.source} was replaced while it was read.", {"source": self.source})


def find_object(source: str, access: S3Access) -> BucketObject:
    """Return the object that an ``s3://`` source names.

    Raises:
        SourceForbiddenError: Its bucket is not allowed, or our keys may not read it.
        SourceInvalidError: There is no bucket or key in it, or no key that we can hold.
        SourceNotFoundError: There is no such object or bucket.
        SourceUnavailableError: The server did not answer.
    """
    SourceRules(s3_buckets=access.buckets).check(source)
    bucket, key = s3_place(source)
    store = _bucket(access, bucket)
    with _in_our_words(source):
        stored = store.stat(key)
    if stored is None:
        raise SourceNotFoundError(f"There is no object at {source}.", {"source": source})
    return BucketObject(source, stored.size_bytes, stored.etag, store, key)


@lru_cache(maxsize=16)
def _bucket(access: S3Access, bucket: str) -> ObjectStore:
    """One connection a bucket, however many objects are looked at."""
    return open_store(
        f"s3://{bucket}",
        endpoint_url=access.endpoint_url,
        access_key=access.access_key,
        secret_key=access.secret_key,
        region=access.region,
    )


@contextmanager
def _in_our_words(source: str) -> Iterator[None]:
    facts = {"source": source}
    try:
        yield
    except ObjectMissingError as error:
        raise SourceNotFoundError(f"There is no object at {source}.", facts) from error
    except InvalidRequestError as error:
        raise SourceInvalidError(f"{source} has a key that cannot be read: {error.message}", facts) from error
    except StoreUnavailableError as error:
        code = error.facts.get("s3_code")
        if code in _MISSING:
            raise SourceNotFoundError(f"There is no bucket for {source}.", facts) from error
        if code in _REFUSED:
            raise SourceForbiddenError(f"The object store's keys may not read {source}.", facts) from error
        raise SourceUnavailableError(f"{source} could not be read: {error.message}", facts) from error
