"""What was found in an asset: for its owner alone, page by page, and only what was asked for."""

import base64
import io
import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pandas
import pytest

from data.database import Database
from data.domain.assets import Asset
from data.domain.identity import Role
from data.domain.jobs import JOB_TAG
from data.repositories import AnalysisJobRepository, ArtifactRepository, AssetRepository
from data.storage import ObjectStore
from tests.api.callers import Person, person
from tests.api.conftest import Prefect
from tests.data.samples import sample_asset
from tests.fakes.sightings import EVENTS, OPTIONS, SUMMARY, store_report

NAMES = iter(range(1000))


@pytest.fixture
def analysed(store: ObjectStore, database: Database, tmp_path: Path) -> Asset:
    """An asset of nobody's in particular in which something was found."""
    asset = sample_asset(f"analysed-{next(NAMES)}")
    folder = tmp_path / "files"
    folder.mkdir()
    report = store_report(store, f"artifacts/{asset.id}/analysis/key/one/", folder, key=asset.id)
    with database.session() as session:
        AssetRepository(session).record(asset)
        ArtifactRepository(session).record(
            asset.id,
            "analysis",
            report.key,
            prefix=report.prefix,
            details=report.model_dump(mode="json"),
            job_id=f"job-of-{asset.id}",
        )
    return asset


def url(asset: Asset, *more: str) -> str:
    return "/".join((f"/api/v1/assets/{asset.id}", *more))


def events(api: httpx.Client, asset: Asset, **query: Any) -> list[dict[str, Any]]:
    answer = api.get(url(asset, "events"), params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def test_what_was_found_is_shown_with_its_files(api: httpx.Client, analysed: Asset) -> None:
    answer = api.get(url(analysed, "analysis"))

    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["summary"] == SUMMARY.model_dump(mode="json")
    assert found["options"] == OPTIONS.model_dump(mode="json")
    assert found["sentences"][0] == "2 moving things were followed."
    assert len(api.get(found["events"]).json()["items"]) == len(EVENTS)
    tracks = pandas.read_parquet(io.BytesIO(api.get(found["urls"]["telemetry"]).content))
    assert set(tracks["track"]) == {1, 2}


def test_a_file_is_served_in_ranges_and_kept_by_nobody(api: httpx.Client, analysed: Asset) -> None:
    address = api.get(url(analysed, "analysis")).json()["urls"]["annotated"]

    part = api.get(address, headers={"Range": "bytes=8-16"})
    assert (part.status_code, part.text) == (206, "annotated")
    assert part.headers["Cache-Control"] == "private, no-store"
    assert part.headers["Content-Type"] == "video/mp4"
    assert api.get(address.replace("annotated.mp4", "record.json")).status_code == 404
    assert api.get(address.replace(analysed.id + "/files", "x/files")).status_code == 404


def test_events_come_page_by_page_and_none_is_lost_or_told_twice(api: httpx.Client, analysed: Asset) -> None:
    told, after = [], None
    for _ in range(10):
        query = {"limit": 2, **({"after": after} if after else {})}
        page = api.get(url(analysed, "events"), params=query).json()
        told += page["items"]
        after = page["next"]
        if after is None:
            break

    assert after is None
    assert [event["at_seconds"] for event in told] == [event.at_seconds for event in EVENTS]
    assert sorted(map(str, told)) == sorted(str(event.model_dump(mode="json")) for event in EVENTS)


def test_events_are_chosen_by_kind_track_zone_and_time(api: httpx.Client, analysed: Asset) -> None:
    assert {each["kind"] for each in events(api, analysed, type=["enter", "leave"])} == {"enter", "leave"}
    assert {each["track"] for each in events(api, analysed, track=2)} == {2}
    assert {each["zone"] for each in events(api, analysed, zone="Gate")} == {"Gate"}
    assert {each["at_seconds"] for each in events(api, analysed, **{"from": 0.2, "to": 0.5})} == {0.2, 0.5}
    assert events(api, analysed, zone="Gate", track=2) == []


def test_a_cursor_of_another_analysis_is_refused(api: httpx.Client, analysed: Asset) -> None:
    after = api.get(url(analysed, "events"), params={"limit": 1}).json()["next"]

    assert api.get(url(analysed, "events"), params={"after": after}).status_code == 200
    assert api.get(url(analysed, "events"), params={"after": after[:-2]}).status_code == 422
    assert api.get(url(analysed, "events"), params={"after": after, "analysis": "x"}).status_code == 404


@pytest.mark.parametrize("offset", [0, 5, 10**6, 10**18, 2**80])
def test_a_cursor_that_names_no_end_of_an_event_is_refused(api: httpx.Client, analysed: Asset, offset: int) -> None:
    after = base64.urlsafe_b64encode(json.dumps([analysed.id, offset]).encode()).decode()

    answer = api.get(url(analysed, "events"), params={"after": after})

    assert answer.status_code == 422, answer.text


def test_an_asset_in_which_nobody_looked_has_no_analysis(api: httpx.Client, database: Database) -> None:
    asset = sample_asset(f"unseen-{next(NAMES)}")
    with database.session() as session:
        AssetRepository(session).record(asset)

    for path in ("analysis", "events"):
        answer = api.get(url(asset, path))
        assert (answer.status_code, answer.json()["code"]) == (404, "REQUEST.NOT_FOUND")


def test_the_events_of_a_job_are_those_that_it_found_or_found_again(
    api: httpx.Client, prefect: Prefect, database: Database, analysed: Asset
) -> None:
    def job(key: str | None) -> str:
        run = prefect.client.create_flow_run_from_deployment(
            prefect.deployment_id, parameters={"asset_id": analysed.id, "options": {"fps": 3}}, tags=[JOB_TAG]
        )
        if key is not None:
            looked_at(database, analysed, key, "local", job=str(run.id))
        return str(run.id)

    again, none, cleared = job(analysed.id), job(None), job("cleared-away")

    assert len(api.get(f"/api/v1/jobs/{again}/events", params={"limit": 3}).json()["items"]) == 3
    assert api.get(f"/api/v1/jobs/{none}/events").status_code == 404
    assert api.get(f"/api/v1/jobs/{again}").json()["analysis"] == {"fps": 3}
    answer = api.get(f"/api/v1/jobs/{cleared}/events")
    assert (answer.status_code, answer.json()["code"]) == (410, "REQUEST.ANALYSIS_EXPIRED")
    assert f"asset analyze {analysed.id}" in answer.json()["detail"]


def looked_at(database: Database, asset: Asset, key: str, owner: str, job: str) -> None:
    """Note that a job of somebody's came to an analysis."""
    with database.session() as session:
        AssetRepository(session).bind_job(job, asset.id, owner)
        AnalysisJobRepository(session).record(job, asset.id, key, owner)


def test_an_asset_is_analysed_by_a_job_once_a_key(api: httpx.Client, prefect: Prefect, analysed: Asset) -> None:
    zones = [{"name": "Door", "points": [[0, 0], [1, 0], [1, 1]]}]
    body = {"options": {"fps": 5, "zones": zones}, "priority": "high"}
    key = {"Idempotency-Key": f"look-{analysed.id}"}

    first, again = (api.post(url(analysed, "analyze"), json=body, headers=key) for _ in range(2))

    assert first.status_code == 202, first.text
    job = first.json()
    assert again.json()["id"] == job["id"]
    assert first.headers["Location"].endswith(job["id"])
    assert (job["asset_id"], job["title"], job["priority"]) == (analysed.id, analysed.original_name, "high")
    run = prefect.client.read_flow_run(job["id"])
    assert run.parameters["asset_id"] == analysed.id
    assert run.parameters["options"]["fps"] == 5
    assert run.parameters["options"]["zones"][0]["name"] == "Door"
    assert api.post(url(analysed, "analyze"), json={}, headers=key).status_code == 422


@pytest.mark.parametrize(
    "options",
    [{"detector": "magic"}, {"zones": [{"name": "Door", "points": [[0, 0], [2, 2], [1, 0]]}]}, {"zones": "[{"}],
)
def test_what_cannot_be_looked_for_is_refused_at_once(
    api: httpx.Client, analysed: Asset, options: dict[str, Any]
) -> None:
    answer = api.post(url(analysed, "analyze"), json={"options": options})

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


def test_a_file_that_is_no_asset_yet_is_looked_at(api: httpx.Client, media_folder: Path, prefect: Prefect) -> None:
    source = media_folder / "street.mp4"
    source.write_bytes(b"0")
    options = {"fps": 5.0, "zones": [{"name": "Door", "points": [[0, 0], [1, 0], [1, 1]]}]}

    body = {"source": str(source), "options": options, "metadata": {"desk": "news"}, "max_retries": 1}
    answer = api.post("/api/v1/analyses", json=body)

    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["title"], job["metadata"], job["asset_id"]) == ("street.mp4", {"desk": "news"}, None)
    run = prefect.client.read_flow_run(uuid.UUID(job["id"]))
    assert {name: run.parameters[name] for name in ("source", "metadata")} == {
        "source": str(source),
        "metadata": {"desk": "news"},
    }
    assert run.parameters["options"]["fps"] == 5.0


@pytest.mark.parametrize("source", ["", "/etc/passwd", "upload:none", "ftp://there/clip.mp4"])
def test_what_ingest_would_refuse_is_not_looked_at(api: httpx.Client, source: str) -> None:
    answer = api.post("/api/v1/analyses", json={"source": source})

    assert answer.status_code in (403, 404, 422), answer.text


def test_anothers_analysis_is_not_there(
    locked_url: str, people: dict[Role, Person], database: Database, analysed: Asset
) -> None:
    looked_at(database, analysed, analysed.id, people[Role.OPERATOR].user.id, f"theirs-{analysed.id}")

    for role, status in ((Role.OPERATOR, 200), (Role.VIEWER, 404), (Role.ADMIN, 200)):
        with httpx.Client(base_url=locked_url, headers=people[role].headers) as client:
            assert client.get(url(analysed, "analysis")).status_code == status
            assert client.get(url(analysed, "analysis", analysed.id, "files", "annotated.mp4")).status_code == status
            assert client.get(url(analysed, "events")).status_code == status
    with httpx.Client(base_url=locked_url) as client:
        stranger = person(client, database, f"stranger-{analysed.id}", Role.OPERATOR)
        answer = client.post(url(analysed, "analyze"), json={}, headers=stranger.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "REQUEST.NOT_FOUND")


def test_of_the_same_video_of_two_people_each_sees_the_analyses_of_their_own_jobs(
    locked_url: str, people: dict[Role, Person], database: Database, analysed: Asset
) -> None:
    first, second = people[Role.OPERATOR], people[Role.VIEWER]
    looked_at(database, analysed, analysed.id, first.user.id, f"first-{analysed.id}")
    with database.session() as session:
        AssetRepository(session).own([analysed.id], second.user.id)

    with httpx.Client(base_url=locked_url, headers=second.headers) as client:
        for path in ("analysis", "events", f"analysis/{analysed.id}/files/summary.json"):
            query = {} if path != "events" else {"analysis": analysed.id}
            assert client.get(url(analysed, path), params=query).status_code == 404

        looked_at(database, analysed, analysed.id, second.user.id, f"second-{analysed.id}")

        assert client.get(url(analysed, "analysis")).json()["job_id"] == f"second-{analysed.id}"
    with httpx.Client(base_url=locked_url, headers=first.headers) as client:
        assert client.get(url(analysed, "analysis")).json()["job_id"] == f"first-{analysed.id}"


def test_an_analysis_that_was_cleared_away_is_gone_and_says_how_to_have_it_again(
    api: httpx.Client, database: Database, analysed: Asset
) -> None:
    looked_at(database, analysed, analysed.id, "local", f"job-{analysed.id}")
    with database.session() as session:
        ArtifactRepository(session).forget(analysed.id, "analysis", analysed.id)

    for path in ("analysis", "events"):
        answer = api.get(url(analysed, path))
        assert (answer.status_code, answer.json()["code"]) == (410, "REQUEST.ANALYSIS_EXPIRED")
