"""What waits for a person: seen by those who call the API, public for nobody, decided once."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from data.database import Database
from data.domain.candidates import CandidateState
from data.domain.copies import copy_of
from data.domain.findings import ModerationVerdict, UneasyFrame
from data.domain.identity import Role
from data.domain.publications import PublicationManifest
from data.domain.targets import PublishTarget
from data.publishing import standing
from data.repositories import AssetRepository, CandidateRepository, CopyRepository, PublicationRepository
from data.search.index import put_in
from data.storage import ObjectStore
from flows.__main__ import main
from tests.api.callers import Person, calling
from tests.data.samples import sample_asset, sample_manifest

SCORED = "Moderation scored it 0.91 at 3.0 s; from 0.50 on a person decides."
ASSETS = "/api/v1/assets"
QUEUE = {"waiting": True}
NAMES = iter(range(1000))


@pytest.fixture
def held(store: ObjectStore, database: Database) -> Iterator[PublicationManifest]:
    """A version that waits, of an asset of which nothing is public."""
    number = next(NAMES)
    asset = sample_asset(f"held-{number}")
    frame = UneasyFrame(at_seconds=3.0, score=0.91, key=f"artifacts/{asset.id}/moderation/x/worst-1.jpg")
    verdict = ModerationVerdict(
        score=0.91, threshold=0.5, frame_count=9, worst=(frame,), report_key="artifacts/x.json", model="test"
    )
    files = {"video.mp4": b"a video", "master.m3u8": b"#EXTM3U\n", "poster.jpg": b"poster"}
    manifest = sample_manifest(asset, 1, f"job-{number}").model_copy(
        update={
            "title": f"Heron number{number}",
            "files": {path: len(content) for path, content in files.items()},
            "moderation": verdict,
            "held_because": SCORED,
        }
    )
    for path, content in files.items():
        store.put_bytes(content, manifest.prefix + path)
    store.put_bytes(b"a frame", frame.key)
    with database.session() as session:
        AssetRepository(session).record(asset)
        CandidateRepository(session).wait(manifest, "work", SCORED)
        put_in(session, manifest, None)
    yield manifest
    with database.session() as session:
        CandidateRepository(session).supersede(asset.id)


def url(manifest: PublicationManifest, *more: str) -> str:
    return "/".join((f"/api/v1/assets/{manifest.asset_id}", *more))


def test_what_waits_is_shown_with_its_frames_and_plays_below_the_api_only(
    api: httpx.Client, held: PublicationManifest
) -> None:
    asset = api.get(url(held)).json()

    candidate = asset["candidate"]
    assert asset["publication"] is None
    assert (candidate["state"], candidate["why"], candidate["score"]) == ("waiting", SCORED, 0.91)
    film = api.get(candidate["urls"]["mp4"], headers={"Range": "bytes=2-4"})
    assert (film.status_code, film.text) == (206, "vid")
    assert film.headers["Cache-Control"] == "private, no-store"
    assert api.get(candidate["worst"][0]["url"]).content == b"a frame"
    assert api.get(f"/media/{held.asset_id}/1/video.mp4").status_code == 404
    assert api.get(url(held, "candidate", "files", "secret.txt")).status_code == 404
    assert api.get(url(held, "candidate", "frames", "2")).status_code == 404


def test_a_candidate_that_is_published_is_public_at_once_and_waits_no_more(
    api: httpx.Client, held: PublicationManifest, store: ObjectStore
) -> None:
    assert api.get(f"/media/{held.asset_id}/1/video.mp4").status_code == 404
    call = {"by": "Ann", "reason": "It is a cartoon.", "job_id": held.job_id}

    answers = [api.post(url(held, "publish"), json=call) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    publication = answers[0].json()["publication"]
    assert (publication["version"], publication["approval"]["by"]) == (1, "Ann")
    assert api.get(f"/media/{held.asset_id}/1/video.mp4").text == "a video"
    assert api.get(url(held, "candidate", "files", "video.mp4")).status_code == 404
    assert held.asset_id not in [each["id"] for each in api.get("/api/v1/assets?waiting=true").json()["items"]]
    manifest = standing(store, held.asset_id).manifest
    assert manifest is not None
    assert manifest.approval is not None


def test_what_waits_is_read_page_by_page_whatever_is_decided_meanwhile(
    locked_url: str, people: dict[Role, Person], database: Database
) -> None:
    admin, operator = people[Role.ADMIN], people[Role.OPERATOR]
    assets = [sample_asset(f"queue-{number}") for number in range(4)]
    with database.session() as session:
        for asset, owner in zip(assets, (operator, operator, operator, admin), strict=True):
            AssetRepository(session).record(asset)
            AssetRepository(session).own([asset.id], owner.user.id)
            CandidateRepository(session).wait(sample_manifest(asset, 1, f"job-{asset.id}"), "work", SCORED)

    with calling(locked_url, operator) as client:
        first = client.get(ASSETS, params={**QUEUE, "limit": 2}).json()
        client.post(f"/api/v1/assets/{assets[1].id}/retract", json={"candidate": f"job-{assets[1].id}"})
        rest = client.get(ASSETS, params={**QUEUE, "limit": 2, "after": first["next"]}).json()
        refused = client.get(ASSETS, params={**QUEUE, "public": False})
    with calling(locked_url, admin) as client:
        own = client.get(ASSETS, params={**QUEUE, "mine": True}).json()
    with database.session() as session:
        for asset in assets:
            CandidateRepository(session).supersede(asset.id)

    assert [each["id"] for each in first["items"]] == [assets[0].id, assets[1].id]
    assert ([each["id"] for each in rest["items"]], rest["next"]) == ([assets[2].id], None)
    assert [each["id"] for each in own["items"]] == [assets[3].id]
    assert (refused.status_code, refused.json()["code"]) == (422, "REQUEST.INVALID")


def test_a_rejected_candidate_stays_unpublished(api: httpx.Client, held: PublicationManifest) -> None:
    call = {"by": "Ann", "candidate": held.job_id}

    answers = [api.post(url(held, "retract"), json=call) for _ in range(2)]
    late = api.post(url(held, "publish"), json={})

    assert [answer.json()["candidate"]["state"] for answer in answers] == ["rejected", "rejected"]
    assert late.status_code == 409
    assert late.json()["code"] == "REQUEST.ILLEGAL_MOVE"
    assert late.json()["facts"]["state"] == CandidateState.REJECTED


def test_what_is_taken_down_answers_404_at_once(
    api: httpx.Client, held: PublicationManifest, database: Database
) -> None:
    api.post(url(held, "publish"), json={})
    assert api.get(f"/media/{held.asset_id}/1/poster.jpg").status_code == 200

    asset = api.post(url(held, "retract"), json={"by": "Bob", "version": 1, "reason": "Rights."}).json()

    assert asset["publication"] is None
    assert asset["retraction"]["retracted"]["reason"] == "Rights."
    assert api.get(f"/media/{held.asset_id}/1/poster.jpg").status_code == 404
    with database.session() as session:
        assert PublicationRepository(session).latest(held.asset_id) is None


def test_what_a_target_does_not_let_go_of_is_told_and_the_retraction_stands(
    api: httpx.Client, held: PublicationManifest, database: Database
) -> None:
    api.post(url(held, "publish"), json={})
    copy = copy_of(held, PublishTarget(name="site", url="file:///not-mounted/site"), held.job_id)
    with database.session() as session:
        CopyRepository(session).want([copy])
        CopyRepository(session).there(copy, 7, 1)
    assert [each["state"] for each in api.get(url(held)).json()["copies"]] == ["there"]

    asset = api.post(url(held, "retract"), json={"version": 1}).json()

    assert asset["publication"] is None
    [left] = asset["copies"]
    assert (left["state"], left["target"], left["version"]) == ("withdrawing", "site", 1)
    assert left["pointer"] == f"file:///not-mounted/site/{held.asset_id}/publication.json"
    assert "mount it" in left["error"]


def have_copied(database: Database, version: PublicationManifest, name: str, folder: Path) -> None:
    copy = copy_of(version, PublishTarget(name=name, url=f"file://{folder}"), version.job_id)
    (folder / copy.prefix).mkdir(parents=True)
    (folder / copy.prefix / "poster.jpg").write_bytes(b"poster")
    with database.session() as session:
        CopyRepository(session).want([copy])
        CopyRepository(session).there(copy, 6, 1)


def test_a_target_that_shows_an_old_version_says_so_and_can_be_cleared_alone(
    api: httpx.Client,
    api_url: str,
    held: PublicationManifest,
    database: Database,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api.post(url(held, "publish"), json={})
    old, new = tmp_path / "old", tmp_path / "new"
    have_copied(database, held.model_copy(update={"version": 0}), "former", old)
    have_copied(database, held, "site", new)

    shown = {each["target"]: each["is_public"] for each in api.get(url(held)).json()["copies"]}
    left = api.delete(url(held, "copies", "former")).json()

    assert shown == {"former": False, "site": True}
    assert [each["target"] for each in left["copies"]] == ["site"]
    assert left["publication"]["version"] == 1
    assert (list(old.rglob("poster.jpg")), len(list(new.rglob("poster.jpg")))) == ([], 1)
    again = api.delete(url(held, "copies", "former"))
    assert (again.status_code, again.json()["code"]) == (404, "REQUEST.NOT_FOUND")

    assert main(["asset", "withdraw", held.asset_id, "site", "--api", api_url]) == 0
    assert "site" not in capsys.readouterr().out
    assert list(new.rglob("poster.jpg")) == []
    assert main(["asset", "withdraw", held.asset_id, "../site", "--api", api_url]) == 1


def test_a_retraction_names_what_it_means(api: httpx.Client, held: PublicationManifest) -> None:
    for call in ({}, {"candidate": held.job_id, "version": 1}):
        assert api.post(url(held, "retract"), json=call).status_code == 422
    assert api.post(url(held, "retract"), json={"version": 1}).status_code == 404
    assert api.post("/api/v1/assets/unknown/publish", json={}).status_code == 404


def test_the_search_finds_what_is_public_and_only_that(api: httpx.Client, held: PublicationManifest) -> None:
    number = held.title.split()[-1]
    assert api.get("/api/v1/search", params={"q": number}).json()["items"] == []

    api.post(url(held, "publish"), json={})
    (hit,) = api.get("/api/v1/search", params={"q": number}).json()["items"]
    api.post(url(held, "retract"), json={"version": 1})

    assert (hit["asset_id"], hit["kind"], hit["watch"]) == (held.asset_id, "title", f"/watch/{held.asset_id}#t=0")
    assert api.get("/api/v1/search", params={"q": number}).json()["items"] == []
    assert api.get("/api/v1/search").status_code == 422


def test_the_command_line_lists_approves_searches_and_retracts(
    api_url: str, held: PublicationManifest, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str, status: int = 0) -> str:
        assert main(["asset", *words, "--api", api_url]) == status
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert SCORED in said("list", "--waiting")
    assert "0.91" in said("show", held.asset_id)
    assert "version 1" in said("approve", held.asset_id, "--reason", "Fine.")
    assert held.asset_id in said("search", held.title)
    assert "Taken down" in said("retract", held.asset_id, "--by", "Bob")
    assert "public, and nothing waits" in said("retract", held.asset_id, status=1)
