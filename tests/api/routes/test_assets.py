import httpx

from data.domain.publications import PublicationManifest


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
