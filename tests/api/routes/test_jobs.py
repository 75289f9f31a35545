from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prefect.client.schemas.objects import State, StateType

from data.database import Database
from data.domain.assets import Asset, SourceFacts, VideoFacts
from data.repositories import AssetRepository
from tests.api.conftest import Prefect

Submit = Callable[..., dict[str, Any]]
JOBS = "/api/v1/jobs"


def test_a_job_is_accepted_with_its_address(api: httpx.Client, media_folder: Any) -> None:
    answer = api.post(JOBS, json={"source": f"{media_folder}/clip.mp4", "title": "A clip", "priority": "high"})

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{JOBS}/{job['id']}"
    assert (job["title"], job["state"], job["progress"], job["attempt"]) == ("A clip", "queued", 0.0, 0)
    assert job["links"]["prefect"].endswith(f"/runs/flow-run/{job['id']}")
    assert api.get(answer.headers["Location"]).json()["source"] == f"{media_folder}/clip.mp4"


def test_a_job_that_did_not_change_is_not_sent_again(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    url = f"{JOBS}/{submit()['id']}"
    etag = api.get(url).headers["ETag"]

    same = api.get(url, headers={"If-None-Match": f"W/{etag}"})
    prefect.force(url.rpartition("/")[2], State(type=StateType.RUNNING))
    changed = api.get(url, headers={"If-None-Match": etag})

    assert (same.status_code, same.content) == (304, b"")
    assert (changed.status_code, changed.json()["state"]) == (200, "running")
    assert changed.headers["ETag"] != etag


def test_a_job_tells_its_asset_and_where_to_watch_it(
    api: httpx.Client, submit: Submit, prefect: Prefect, database: Database
) -> None:
    job = submit()
    video = VideoFacts(
        stream_index=0, codec="h264", width=64, height=64, coded_width=64, coded_height=64, frame_rate="25"
    )
    facts = SourceFacts(container="mp4", duration_seconds=1, size_bytes=1, video=video)
    asset = Asset(id="a" * 24, sha256="a" * 64, source_key="sources/a", original_name="a.mp4", facts=facts)
    with database.session() as session:
        AssetRepository(session).record(asset)
        AssetRepository(session).bind_job(job["id"], asset.id)
    prefect.force(job["id"], State(type=StateType.COMPLETED))

    shown = api.get(f"{JOBS}/{job['id']}").json()

    assert shown["asset_id"] == asset.id
    assert shown["links"]["watch"] == f"/watch/{asset.id}"
    assert shown["progress"] == 1.0
    assert shown["finished_at"] is not None
    listed = api.get(JOBS, params={"text": job["id"]}).json()["items"]
    assert [each["asset_id"] for each in listed] == [asset.id]


@pytest.mark.parametrize(
    "parameters",
    [{"limit": 0}, {"limit": 201}, {"state": "sleeping"}, {"after": "zzz"}, {"created_after": "2026-01-01"}],
)
def test_a_list_with_wrong_parameters_is_refused(api: httpx.Client, parameters: dict[str, Any]) -> None:
    answer = api.get(JOBS, params=parameters)

    assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST.INVALID")


@pytest.mark.parametrize("call", ["", "/logs", "/history", "/cancel", "/retry", "/pause", "/resume"])
def test_an_unknown_job_is_not_found(api: httpx.Client, call: str) -> None:
    method = "GET" if call in ("", "/logs", "/history") else "POST"

    answer = api.request(method, f"{JOBS}/2f4a86be-98e8-4532-9863-240232a2c1fd{call}")

    assert (answer.status_code, answer.json()["code"]) == (404, "REQUEST.NOT_FOUND")


def test_the_description_of_the_api_names_every_call_of_the_contract(api: httpx.Client) -> None:
    paths = api.get("/api/v1/openapi.json").json()["paths"]

    assert {
        "/api/v1/jobs",
        "/api/v1/jobs/{job_id}",
        "/api/v1/jobs/{job_id}/logs",
        "/api/v1/jobs/{job_id}/history",
        "/api/v1/jobs/{job_id}/cancel",
        "/api/v1/jobs/{job_id}/retry",
        "/api/v1/recipes",
        "/api/v1/recipes/{name}",
        "/api/v1/jobs/{job_id}/pause",
        "/api/v1/jobs/{job_id}/resume",
        "/api/v1/batches",
        "/api/v1/batches/plan",
        "/api/v1/batches/{batch_id}",
        "/api/v1/batches/{batch_id}/items",
        "/api/v1/batches/{batch_id}/results",
        "/api/v1/batches/{batch_id}/rejects",
        "/api/v1/batches/{batch_id}/report",
        "/api/v1/batches/{batch_id}/retry-manifest",
        "/api/v1/batches/{batch_id}/start",
        "/api/v1/batches/{batch_id}/pause",
        "/api/v1/batches/{batch_id}/resume",
        "/api/v1/batches/{batch_id}/cancel",
        "/api/v1/batches/{batch_id}/retry",
        "/api/v1/schedules",
        "/api/v1/schedules/{name}",
        "/api/v1/uploads",
        "/api/v1/assets",
        "/api/v1/assets/{asset_id}",
        "/api/v1/assets/{asset_id}/publish",
        "/api/v1/assets/{asset_id}/retract",
        "/api/v1/assets/{asset_id}/candidate/files/{path}",
        "/api/v1/assets/{asset_id}/candidate/frames/{number}",
        "/api/v1/search",
        "/api/v1/generations",
        "/api/v1/generations/{generation_id}",
        "/api/v1/generations/{generation_id}/release",
        "/api/v1/generations/{generation_id}/adopt",
        "/api/v1/generations/{generation_id}/drop",
        "/api/v1/providers/status",
        "/api/v1/providers/test",
        "/api/v1/providers/{name}/reset",
        "/media/{asset_id}/{version}/{path}",
        "/api/v1/health",
        "/api/v1/health/ready",
        "/api/v1/audit",
        "/api/v1/audit/verify",
        "/api/v1/audit/export",
        "/api/v1/metrics",
    } == set(paths)
