"""The object store: the one place that owns bytes. A local folder or an S3 bucket behind one small interface."""

from pathlib import Path

from data.storage.base import ObjectStore, StoredObject, content_type_of, tree_prefix, validated_key
from data.storage.local import LocalStore

__all__ = ["S3_SCHEME", "ObjectStore", "StoredObject", "content_type_of", "open_store", "tree_prefix", "validated_key"]

S3_SCHEME = "s3://"


def open_store(
    url: str,
    *,
    endpoint_url: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    region: str = "us-east-1",
) -> ObjectStore:
    """Return the object store at a URL. Cheap: nothing is opened, connected or created before the first call.

    Args:
        url: ``file:///folder`` (the path as it is, not percent-encoded), an absolute path, or ``s3://bucket/prefix``.
        endpoint_url: Address of an S3-compatible server; ``None`` means AWS.
        access_key: S3 access key; ``None`` means the usual AWS sources.
        secret_key: S3 secret key.
        region: S3 region.

    Raises:
        ValueError: The URL is of a kind that we do not know, or names no folder or bucket.
    """
    if url.startswith(S3_SCHEME):
        from data.storage.s3 import S3Store  # takes 0.7 s, which those with a local store should not spend
        from data.storage.s3_session import S3Session

        bucket, _, prefix = url.removeprefix(S3_SCHEME).partition("/")
        if not bucket:
            raise ValueError(f"The object store URL {url!r} names no bucket.")
        return S3Store(S3Session(endpoint_url, access_key, secret_key, region), bucket, prefix)
    folder = Path(url.removeprefix("file://"))
    if not folder.is_absolute():
        raise ValueError(f"The object store URL {url!r} is neither `file:///folder` nor `s3://bucket/prefix`.")
    return LocalStore(folder)
