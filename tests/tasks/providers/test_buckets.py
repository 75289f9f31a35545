"""Sources in S3 are read from allowed buckets, whole or not at all."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from data.domain.errors import (
    InputTooLargeError,
    SourceForbiddenError,
    SourceInvalidError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from data.storage import ObjectStore, open_store
from tasks.providers.buckets import S3Access, find_object
from tasks.providers.sources import SourceLimits, fetch_source
from tests.fakes.processes import free_ports
from tests.fakes.s3_server import S3Server

BODY = os.urandom(3_000_000)


@pytest.fixture
def access(s3: S3Server) -> S3Access:
    return S3Access((s3.bucket, "elsewhere"), s3.endpoint_url, s3.access_key, s3.secret_key)


@pytest.fixture
def store(s3: S3Server) -> ObjectStore:
    return open_store(s3.url, endpoint_url=s3.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key)


def limits(access: S3Access, max_bytes: int = 10_000_000) -> SourceLimits:
    return SourceLimits(max_bytes=max_bytes, s3=access)


def test_an_object_is_copied_and_hashed(tmp_path: Path, access: S3Access, store: ObjectStore) -> None:
    store.put_bytes(BODY, "night/a clip #1?.mp4")
    shares: list[float] = []

    fetched = fetch_source("s3://media/night/a clip #1?.mp4", tmp_path / "copy", limits(access), shares.append)

    assert fetched.path.read_bytes() == BODY
    assert fetched.sha256 == hashlib.sha256(BODY).hexdigest()
    assert (fetched.size_bytes, fetched.name) == (len(BODY), "a clip #1?.mp4")
    assert shares[-1] == 1.0


def test_an_object_larger_than_the_limit_is_refused_unread(
    tmp_path: Path, access: S3Access, store: ObjectStore
) -> None:
    store.put_bytes(BODY, "large.mp4")

    with pytest.raises(InputTooLargeError):
        fetch_source("s3://media/large.mp4", tmp_path / "copy", limits(access, 1000))
    assert not (tmp_path / "copy").exists()


def test_a_bucket_that_is_not_allowed_is_never_asked(tmp_path: Path) -> None:
    nobody = S3Access(("media",), f"http://127.0.0.1:{free_ports(1)[0]}", "a", "b")

    with pytest.raises(SourceForbiddenError, match="S3_BUCKETS"):
        fetch_source("s3://private/a.mp4", tmp_path / "copy", limits(nobody))
    with pytest.raises(SourceForbiddenError):
        fetch_source("s3://media/a.mp4", tmp_path / "copy", SourceLimits(max_bytes=1))


@pytest.mark.parametrize("source", ["s3://media", "s3://media/", "s3:///a", "s3://media/a//b", "s3://media/../a"])
def test_what_names_no_object_is_refused(access: S3Access, source: str) -> None:
    with pytest.raises(SourceInvalidError):
        find_object(source, access)


def test_a_missing_object_and_a_missing_bucket_are_not_found(access: S3Access) -> None:
    for source in ("s3://media/missing.mp4", "s3://elsewhere/a.mp4"):
        with pytest.raises(SourceNotFoundError):
            find_object(source, access)


def test_keys_that_may_not_read_are_told_apart_from_a_server_that_is_away(access: S3Access, store: ObjectStore) -> None:
    store.put_bytes(b"a", "a.mp4")

    with pytest.raises(SourceForbiddenError):
        find_object("s3://media/a.mp4", replace(access, secret_key="wrong"))
    with pytest.raises(SourceUnavailableError):
        find_object("s3://media/a.mp4", replace(access, endpoint_url=f"http://127.0.0.1:{free_ports(1)[0]}"))


def test_an_object_that_is_replaced_meanwhile_is_read_again_later(access: S3Access, store: ObjectStore) -> None:
    store.put_bytes(b"short", "changing.mp4")
    found = find_object("s3://media/changing.mp4", access)
    store.put_bytes(b"much longer than before", "changing.mp4")

    with pytest.raises(SourceUnavailableError, match="replaced"):
        list(found.read())


def test_secrets_are_not_shown(access: S3Access) -> None:
    assert access.secret_key is not None
    assert access.secret_key not in repr(limits(access))
