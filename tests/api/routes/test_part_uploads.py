"""Uploads in parts, against a real S3-compatible server; and players that are sent there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.database import Database
from data.domain.publications import PublicationManifest
from data.settings import Settings, StorageSettings
from data.storage import ObjectStore, open_store
from deployments.stack import Stack
from tasks.fetching import fetch_handed_in
from tests.api.conftest import ServeApi
from tests.api.publishing import switch_to
from tests.fakes.s3_server import S3Server

UPLOADS = "/api/v1/uploads"
MP4 = b"\0\0\0\x18ftypisom"


@pytest.fixture(scope="module")
def s3_settings(settings: Settings, s3: S3Server) -> Settings:
    storage = StorageSettings(
        url=f"{s3.url}/dailies", endpoint_url=s3.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key
    )
    redirecting = settings.api.model_copy(update={"redirect_media": True})
    return settings.model_copy(update={"storage": storage, "api": redirecting})


@pytest.fixture(scope="module")
def s3_store(s3_settings: Settings) -> ObjectStore:
    return open_store(s3_settings.storage_url, **s3_settings.storage_options)


@pytest.fixture(scope="module")
def on_s3(
    serve_api: ServeApi, s3_settings: Settings, database: Database, prefect_server: Stack
) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serve_api(s3_settings, prefect_server.prefect_api_url), timeout=60) as client:
        yield client


def begin(api: httpx.Client, content: bytes, name: str = "clip.mp4") -> dict[str, Any]:
    answer = api.post(f"{UPLOADS}/presigned", json={"name": name, "size_bytes": len(content)})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def send(begun: dict[str, Any], content: bytes) -> list[dict[str, Any]]:
    sent, start = [], 0
    for part in begun["parts"]:
        answer = httpx.put(part["url"], content=content[start : start + part["size_bytes"]], timeout=60)
        assert answer.status_code == 200, answer.text
        sent.append({"number": part["number"], "etag": answer.headers["ETag"]})
        start += part["size_bytes"]
    return sent


def test_a_file_that_was_sent_in_parts_is_a_source(
    on_s3: httpx.Client, s3_settings: Settings, s3_store: ObjectStore, database: Database, tmp_path: Path
) -> None:
    content = MP4 + bytes(20 * 1024 * 1024)
    begun = begin(on_s3, content)
    assert on_s3.post("/api/v1/jobs", json={"source": begun["source"]}).status_code == 422

    sent = send({**begun, "parts": on_s3.get(f"{UPLOADS}/{begun['id']}/parts").json()["parts"]}, content)
    done = on_s3.post(f"{UPLOADS}/{begun['id']}/complete", json={"parts": sent})
    again = on_s3.post(f"{UPLOADS}/{begun['id']}/complete", json={"parts": sent})

    assert len(sent) == 2
    assert done.status_code == 200, done.text
    assert again.json() == done.json()
    assert done.json()["size_bytes"] == len(content)
    fetched = fetch_handed_in(begun["source"], tmp_path / "source", s3_settings, s3_store, database, owner=None)
    assert len(fetched.sha256) == 64
    assert fetched.path.read_bytes() == content


def test_parts_that_are_missing_or_others_are_refused(on_s3: httpx.Client) -> None:
    begun = begin(on_s3, MP4 + bytes(100))
    address = f"{UPLOADS}/{begun['id']}/complete"

    nothing = on_s3.post(address, json={"parts": [{"number": 1, "etag": "x"}]})
    [sent] = send(begun, MP4 + bytes(100))
    other = on_s3.post(address, json={"parts": [{"number": 1, "etag": "x"}]})
    more = on_s3.post(address, json={"parts": [sent, {"number": 2, "etag": "x"}]})

    assert {each.status_code for each in (nothing, other, more)} == {409}
    assert nothing.json()["code"] == "REQUEST.UPLOAD.INCOMPLETE"
    assert on_s3.post(address, json={"parts": [sent]}).status_code == 200


def test_a_part_of_another_size_than_was_said_is_refused(on_s3: httpx.Client) -> None:
    begun = begin(on_s3, MP4 + bytes(100))

    answer = httpx.put(begun["parts"][0]["url"], content=MP4 + bytes(1000))
    done = on_s3.post(
        f"{UPLOADS}/{begun['id']}/complete", json={"parts": [{"number": 1, "etag": answer.headers["ETag"]}]}
    )

    assert (done.status_code, done.json()["code"]) == (409, "REQUEST.UPLOAD.INCOMPLETE")


def test_what_is_nothing_that_is_taken_is_gone(on_s3: httpx.Client, s3_store: ObjectStore) -> None:
    content = b"PK\x03\x04" + bytes(100)
    begun = begin(on_s3, content)

    done = on_s3.post(f"{UPLOADS}/{begun['id']}/complete", json={"parts": send(begun, content)})

    assert (done.status_code, done.json()["code"]) == (415, "REQUEST.UPLOAD.UNSUPPORTED")
    assert list(s3_store.list(f"uploads/{begun['id']}/")) == []
    assert on_s3.get(f"{UPLOADS}/{begun['id']}/parts").status_code == 404


def test_an_upload_can_be_given_up(on_s3: httpx.Client) -> None:
    begun = begin(on_s3, MP4)

    assert on_s3.delete(f"{UPLOADS}/{begun['id']}").status_code == 204
    assert httpx.put(begun["parts"][0]["url"], content=MP4).status_code >= 400
    assert on_s3.delete(f"{UPLOADS}/{begun['id']}").status_code == 404


def test_a_folder_takes_no_parts_and_no_upload_is_larger_than_the_limit(api: httpx.Client, on_s3: httpx.Client) -> None:
    folder = api.post(f"{UPLOADS}/presigned", json={"name": "a.mp4", "size_bytes": 10})
    large = on_s3.post(f"{UPLOADS}/presigned", json={"name": "a.mp4", "size_bytes": 10**12})

    assert (folder.status_code, folder.json()["code"]) == (409, "REQUEST.UPLOAD.NO_PARTS")
    assert large.status_code == 413


def test_players_are_sent_to_the_store_for_segments_only(
    on_s3: httpx.Client, published: PublicationManifest, store: ObjectStore, s3_store: ObjectStore
) -> None:
    for path in ("master.m3u8", published.mp4_path):
        s3_store.put_bytes(store.get_bytes(published.prefix + path), published.prefix + path)
    switch_to(published, s3_store)
    base = f"/media/{published.asset_id}/{published.version}"

    playlist = on_s3.get(f"{base}/master.m3u8")
    video = on_s3.get(f"{base}/{published.mp4_path}", follow_redirects=False)
    bytes_of_it = httpx.get(video.headers["Location"], headers={"Range": "bytes=0-99"})

    assert playlist.status_code == 200
    assert video.status_code == 307
    assert (bytes_of_it.status_code, len(bytes_of_it.content)) == (206, 100)


def test_what_goes_to_the_store_itself_counts_against_the_quota_of_a_day(
    serve_api: ServeApi, s3_settings: Settings
) -> None:
    limits = s3_settings.limits.model_copy(update={"upload_bytes_a_day": 1_000_000})
    url = serve_api(s3_settings.model_copy(update={"limits": limits}), "http://127.0.0.1:9/api")
    body = {"name": "clip.mp4", "size_bytes": 600_000}
    with httpx.Client(base_url=url, timeout=60) as api:
        begun, refused = (api.post(f"{UPLOADS}/presigned", json=body) for _ in range(2))

    assert begun.status_code == 201
    assert (refused.status_code, refused.json()["code"]) == (429, "REQUEST.QUOTA_SPENT")
