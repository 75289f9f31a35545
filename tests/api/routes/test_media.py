"""Playback files over HTTP: the very bytes of the store, whole or in ranges, and nothing that is not public."""

import httpx
import pytest

from api.publications import FRESH_SECONDS
from data.database import Database
from data.domain.publications import PublicationManifest
from data.repositories import PublicationRepository
from data.storage import ObjectStore
from tests.api.publishing import switch_to
from tests.fakes.processes import wait_until


def url(manifest: PublicationManifest, path: str = "video.mp4", version: int | None = None) -> str:
    return f"/media/{manifest.asset_id}/{version or manifest.version}/{path}"


def test_every_public_file_is_served_byte_for_byte(
    api: httpx.Client, published: PublicationManifest, store: ObjectStore
) -> None:
    for path in published.files:
        answer = api.get(url(published, path))

        assert answer.status_code == 200, path
        assert answer.content == store.get_bytes(published.prefix + path)
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_ranges_join_to_the_whole_file(api: httpx.Client, published: PublicationManifest, store: ObjectStore) -> None:
    size = published.files["video.mp4"]
    middle = size // 3

    parts = [api.get(url(published), headers={"Range": each}) for each in (f"bytes=0-{middle - 1}", f"bytes={middle}-")]

    assert [part.status_code for part in parts] == [206, 206]
    assert parts[0].headers["Content-Range"] == f"bytes 0-{middle - 1}/{size}"
    assert b"".join(part.content for part in parts) == store.get_bytes(published.prefix + "video.mp4")


def test_head_says_what_get_would_and_sends_nothing(api: httpx.Client, published: PublicationManifest) -> None:
    head, get = api.head(url(published)), api.get(url(published))

    assert head.content == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges", "Cache-Control"):
        assert head.headers[name] == get.headers[name]


def test_a_range_that_cannot_be_satisfied_says_the_size(api: httpx.Client, published: PublicationManifest) -> None:
    answer = api.get(url(published), headers={"Range": "bytes=99999999-"})

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{published.files['video.mp4']}"


def test_a_file_that_the_browser_has_is_not_sent_again(api: httpx.Client, published: PublicationManifest) -> None:
    etag = api.get(url(published)).headers["ETag"]

    answer = api.get(url(published), headers={"If-None-Match": etag})

    assert (answer.status_code, answer.content) == (304, b"")


def test_files_have_different_validators(api: httpx.Client, published: PublicationManifest) -> None:
    etags = [api.head(url(published, path)).headers["ETag"] for path in published.files]

    assert len(etags) == len(set(etags))


@pytest.mark.parametrize(
    "path",
    ["nothing.mp4", "", "../publication.json", "..%2fpublication.json", "%2e%2e/publication.json", "/etc/passwd"],
)
def test_what_the_manifest_does_not_list_is_not_there(
    api: httpx.Client, published: PublicationManifest, store: ObjectStore, path: str
) -> None:
    store.put_bytes(b"secret", published.prefix + "nothing.mp4")

    assert api.get(url(published, path)).status_code == 404


def test_an_unknown_version_or_asset_is_not_found(api: httpx.Client, published: PublicationManifest) -> None:
    assert api.get(url(published, version=99)).status_code == 404
    assert api.get("/media/000000000000000000000000/1/video.mp4").status_code == 404
    assert api.get("/media/../1/video.mp4").status_code == 404


def test_a_new_version_shows_and_the_old_one_still_plays(
    api: httpx.Client, published: PublicationManifest, store: ObjectStore, database: Database
) -> None:
    newer = published.model_copy(update={"version": 2, "title": "Newer"})
    assert api.get(url(published)).status_code == 200
    with database.session() as session:
        PublicationRepository(session).record(newer)
    switch_to(newer, store)
    try:
        shown = f"/api/v1/assets/{published.asset_id}"
        wait_until(
            lambda: api.get(shown).json()["publication"]["version"] == 2, FRESH_SECONDS * 5, "the new version to show"
        )

        assert api.get(url(published, version=2)).status_code == 200
        assert api.get(url(published, version=1)).status_code == 200
    finally:
        switch_to(published, store)
        wait_until(lambda: api.get(shown).json()["publication"]["version"] == 1, FRESH_SECONDS * 5, "version 1 again")


def test_a_viewer_who_leaves_in_the_middle_does_no_harm(api: httpx.Client, published: PublicationManifest) -> None:
    for _ in range(20):
        with api.stream("GET", url(published)) as answer:
            next(answer.iter_bytes(1024))

    assert api.get(url(published)).status_code == 200


def test_everybody_may_know_what_is_public_of_a_video(api: httpx.Client, published: PublicationManifest) -> None:
    answer = api.get(f"/media/{published.asset_id}")

    video = answer.json()
    assert (video["width"], video["height"], video["frame_rate"]) == (640, 360, "24")
    assert video["publication"]["title"] == published.title
    assert api.get(video["publication"]["urls"]["mp4"]).status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"
    assert api.get(f"/media/{'0' * 24}").status_code == 404
    assert api.get("/media/nonsense").status_code == 404
