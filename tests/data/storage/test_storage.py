from pathlib import Path

import pytest

from data.storage import content_type_of, open_store
from data.storage.local import LocalStore
from data.storage.s3 import S3Store


def test_the_kind_of_store_is_told_by_its_url(tmp_path: Path) -> None:
    assert isinstance(open_store(f"file://{tmp_path}"), LocalStore)
    assert isinstance(open_store(str(tmp_path)), LocalStore)
    assert isinstance(open_store("s3://bucket"), S3Store)
    assert isinstance(open_store("s3://bucket/some/prefix/"), S3Store)


def test_folders_with_odd_names_are_taken_literally(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path / 'a b%20c#?'}")
    store.put_bytes(b"1", "key")

    assert (tmp_path / "a b%20c#?" / "key").read_bytes() == b"1"


@pytest.mark.parametrize("url", ["", "relative/folder", "file://relative", "s3://", "s3:///key", "ftp://host/folder"])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="object store URL"):
        open_store(url)


@pytest.mark.parametrize(
    ("key", "media_type"),
    [
        ("a/master.m3u8", "application/vnd.apple.mpegurl"),
        ("a/manifest.MPD", "application/dash+xml"),
        ("a/en.vtt", "text/vtt; charset=utf-8"),
        ("a/video.mp4", "video/mp4"),
        ("a/poster.jpg", "image/jpeg"),
        ("a.b/unknown", "application/octet-stream"),
    ],
)
def test_browsers_are_told_what_an_object_is(key: str, media_type: str) -> None:
    assert content_type_of(key) == media_type
