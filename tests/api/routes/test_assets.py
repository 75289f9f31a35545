from pathlib import Path

import httpx

from data.domain.provenance import CredentialState
from data.domain.publications import PublicationManifest
from tasks.media.content_credentials import read_credentials


def test_an_asset_shows_its_facts_and_what_is_public(api: httpx.Client, published: PublicationManifest) -> None:
    asset = api.get(f"/api/v1/assets/{published.asset_id}").json()

    publication = asset["publication"]
    assert asset["facts"]["video"]["width"] == 640
    assert (publication["title"], publication["version"]) == ("Test <bars> & a tone", 1)
    assert [each["height"] for each in publication["renditions"]] == [360, 240]
    assert [each["title"] for each in publication["chapters"]] == ["Beginning", "Middle", "End"]
    assert publication["captions"][0]["language"] == "en"


def test_every_address_of_a_publication_answers_with_its_type(
    api: httpx.Client, published: PublicationManifest
) -> None:
    publication = api.get(f"/api/v1/assets/{published.asset_id}").json()["publication"]

    urls = {**publication["urls"], "captions": publication["captions"][0]["vtt_url"]}
    types = {name: api.head(url).headers["Content-Type"].partition(";")[0] for name, url in urls.items() if url}
    assert types == {
        "watch": "text/html",
        "hls": "application/vnd.apple.mpegurl",
        "dash": "application/dash+xml",
        "mp4": "video/mp4",
        "poster": "image/jpeg",
        "sprite": "image/jpeg",
        "thumbnails": "text/vtt",
        "preview": "image/gif",
        "audio": "audio/mpeg",
        "chapters": "text/vtt",
        "captions": "text/vtt",
    }


def test_an_unknown_asset_is_not_found(api: httpx.Client) -> None:
    for asset_id in ("0" * 24, "..", "%2e%2e%2fuploads"):
        assert api.get(f"/api/v1/assets/{asset_id}").status_code == 404


def test_an_asset_says_where_it_came_from(api: httpx.Client, published: PublicationManifest) -> None:
    said = api.get(f"/api/v1/assets/{published.asset_id}").json()["publication"]["provenance"]

    assert (said["is_ai_generated"], said["is_ai_edited"]) == (False, False)
    assert said["summary"] == "captions (whisper-base)"
    assert [each["name"] for each in said["actions"]] == ["c2pa.opened", "c2pa.transcoded", "c2pa.addedText"]
    assert said["signed"] == ["video.mp4"]


def test_the_signed_mp4_is_served_as_it_was_signed(
    api: httpx.Client, published: PublicationManifest, tmp_path: Path
) -> None:
    address = api.get(f"/api/v1/assets/{published.asset_id}").json()["publication"]["urls"]["mp4"]
    whole = api.get(address).content
    part = api.get(address, headers={"Range": "bytes=100-4999"})
    (tmp_path / "served.mp4").write_bytes(whole)

    found = read_credentials(tmp_path / "served.mp4")

    assert (part.status_code, part.content) == (206, whole[100:5000])
    assert found.state is CredentialState.UNTRUSTED
    assert [action.name for action in found.actions] == ["c2pa.opened", "c2pa.transcoded"]
