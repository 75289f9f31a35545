"""Jobs searched, changed, counted, and what came of them; lines searched over all logs. On a real Prefect server."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prefect.client.schemas.objects import State, StateType

from data.database import Database
from data.domain.generations import Capability, GenerationRequest, GenerationState
from data.domain.jobs import STEP_RETRIES_LABEL
from data.domain.ledger import Generation, Subject
from data.domain.publications import PublicationManifest
from data.repositories import ArtifactRepository, AssetRepository, GenerationRepository
from tests.api.conftest import Prefect

Submit = Callable[..., dict[str, Any]]


NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def generation(job: str, state: str, **values: Any) -> Generation:
    request = GenerationRequest(prompt=uuid.uuid4().hex)
    return Generation(
        id=str(uuid.uuid4()),
        key=request.digest(),
        request_digest=request.digest(),
        idempotency_key=uuid.uuid4().hex,
        subject=Subject(job_id=job),
        provider="studio",
        engine="openai_videos",
        model="wan2.2",
        capability=Capability.IMAGE_TO_VIDEO,
        state=GenerationState(state),
        request=request,
        created_at=datetime.now(UTC),
        sent_at=NOON,
        **values,
    )


def read_all(api: httpx.Client, path: str, between: Callable[[], object] = lambda: None, **query: Any) -> list[Any]:
    items: list[Any] = []
    after = None
    while True:
        answer = api.get(path, params={**query, **({"after": after} if after else {})})
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        after = answer.json()["next"]
        if after is None:
            return items
        between()


def search(api: httpx.Client, **query: Any) -> list[str]:
    return [job["id"] for job in read_all(api, "/api/v1/jobs/search", **query)]


def test_jobs_are_found_by_recipe_owner_and_failure(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    mark = uuid.uuid4().hex
    quick, broken, lost, gone = (submit(title=mark, recipe=name)["id"] for name in ("quick", *["default"] * 3))
    prefect.force(broken, State(type=StateType.FAILED, message="[DATA.INPUT.CORRUPT] broken"))
    prefect.force(lost, State(type=StateType.FAILED, name="TimedOut"))
    prefect.force(gone, State(type=StateType.CANCELLED))

    assert search(api, text=mark, recipe="quick") == [quick]
    assert search(api, text=mark, failure="DATA") == [broken]
    assert search(api, text=mark, failure="INFRA") == [lost]
    assert search(api, text=mark, failure=["CANCELLED", "DATA"]) == [gone, broken]
    assert len(search(api, text=mark, owner="local")) == 4
    assert search(api, text=mark, owner="somebody") == []


def test_pages_of_a_search_stay_whole_while_jobs_arrive(api: httpx.Client, submit: Submit) -> None:
    mark = uuid.uuid4().hex
    wanted = [submit(title=f"{mark} {number}")["id"] for number in range(5)]

    found = read_all(api, "/api/v1/jobs/search", lambda: submit(title=f"{mark} later"), text=mark, limit=2)

    read = [job["id"] for job in found]
    assert [each for each in read if each in wanted] == wanted[::-1]
    assert len(read) == len(set(read))


def test_jobs_are_shown_in_numbers(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    before = api.get("/api/v1/jobs/metrics", params={"hours": 1}).json()
    good, bad = submit()["id"], submit()["id"]
    prefect.start(good, times=2)
    prefect.force(good, State(type=StateType.COMPLETED))
    prefect.client.update_flow_run_labels(uuid.UUID(good), {STEP_RETRIES_LABEL: 3})
    prefect.start(bad)
    prefect.force(bad, State(type=StateType.FAILED, message="[PROVIDER.BUSY] later"))

    now = api.get("/api/v1/jobs/metrics", params={"hours": 1}).json()

    assert now["states"]["succeeded"] == before["states"]["succeeded"] + 1
    assert now["ended"] == before["ended"] + 2
    assert now["looked_at"] == now["ended"]
    assert now["failures"]["PROVIDER"] == before["failures"].get("PROVIDER", 0) + 1
    assert now["retries"] == before["retries"] + 1
    assert now["step_retries"] == before["step_retries"] + 3
    assert 0 < now["success_rate"] < 1
    assert now["wait_seconds"]["p50"] is not None
    assert sum(each["succeeded"] + each["failed"] + each["cancelled"] for each in now["hours"]) == now["ended"]


def test_a_job_that_waits_gets_another_title_and_metadata(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = submit(title="before", metadata={"a": 1})

    changed = api.patch(f"/api/v1/jobs/{job['id']}", json={"title": "after", "metadata": {"b": 2}})

    assert changed.status_code == 200, changed.text
    assert (changed.json()["title"], changed.json()["metadata"]) == ("after", {"b": 2})
    assert changed.json()["source"] == job["source"]
    assert changed.headers["ETag"] == api.get(f"/api/v1/jobs/{job['id']}").headers["ETag"]
    prefect.start(job["id"])
    refused = api.patch(f"/api/v1/jobs/{job['id']}", json={"title": "too late"})
    kept = api.patch(f"/api/v1/jobs/{job['id']}", json={"metadata": {"c": 3}})
    assert (refused.status_code, refused.json()["code"]) == (409, "REQUEST.ILLEGAL_MOVE")
    assert (kept.json()["title"], kept.json()["metadata"]) == ("after", {"c": 3})


def test_a_change_is_made_only_to_what_was_seen(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = f"/api/v1/jobs/{submit()['id']}"
    waiting = api.get(job).headers["ETag"]
    prefect.start(job.rpartition("/")[2])
    running = api.get(job).headers["ETag"]
    prefect.report(job.rpartition("/")[2], "transcode", 40)

    stale = api.post(f"{job}/cancel", headers={"If-Match": waiting})
    moved_on = api.get(job).headers["ETag"]
    fresh = api.post(f"{job}/cancel", headers={"If-Match": f'"other", {running}'})

    assert (stale.status_code, stale.json()["code"]) == (412, "REQUEST.PRECONDITION_FAILED")
    assert moved_on != running  # the progress shows, and is no reason to refuse
    assert fresh.status_code == 202
    assert api.delete(job, headers={"If-Match": "*"}).status_code in (204, 409)


def test_what_a_job_made_is_shown(
    api: httpx.Client, submit: Submit, database: Database, published: PublicationManifest
) -> None:
    job_id = submit()["id"]
    with database.session() as session:
        AssetRepository(session).bind_job(job_id, published.asset_id)
        ArtifactRepository(session).record(
            published.asset_id, "captions", uuid.uuid4().hex, prefix="x/", details={"language": "en"}, job_id=job_id
        )

    made = api.get(f"/api/v1/jobs/{job_id}/artifacts").json()

    assert made["asset_id"] == published.asset_id
    assert [(each["kind"], each["details"]) for each in made["items"]] == [("captions", {"language": "en"})]
    assert (made["publication"], made["generations"]) == (None, [])
    assert api.get(f"/api/v1/jobs/{uuid.uuid4()}/artifacts").status_code == 404


def test_who_made_a_video_of_words_is_told_to_its_owner(
    api: httpx.Client, submit: Submit, database: Database, published: PublicationManifest
) -> None:
    job_id, later = submit()["id"], submit()["id"]
    reason = {"provider": "words", "code": "PROVIDER.GENERATION.REJECTED", "message": "no file is /srv/models/wan"}
    with database.session() as session:
        assets = AssetRepository(session)
        assets.bind_job(later, published.asset_id)
        result = assets.get(published.asset_id).sha256
        ledger = GenerationRepository(session)
        ledger.add(generation(job_id, "failed", code="PROVIDER.UNAVAILABLE", message="It is down."), "owner")
        made = {"charged": 0.8, "result_sha256": result, "details": {"passed_over": [reason]}}
        ledger.add(generation(job_id, "stored", made_at=NOON + timedelta(seconds=42), **made), "owner")

    stored, failed = api.get(f"/api/v1/jobs/{job_id}/artifacts").json()["generations"]
    [found] = api.get(f"/api/v1/jobs/{later}/artifacts").json()["generations"]

    assert (stored["provider"], stored["model"], stored["capability"]) == ("studio", "wan2.2", "image_to_video")
    assert (stored["seconds"], stored["charged"], stored["currency"]) == (42.0, 0.8, "USD")
    assert stored["passed_over"] == [{**reason, "message": "no file is …/wan"}]
    assert (failed["state"], failed["seconds"], failed["code"]) == ("failed", None, "PROVIDER.UNAVAILABLE")
    assert (found["id"], found["is_reused"], found["charged"]) == (stored["id"], True, 0.0)


def test_lines_are_found_over_all_logs(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    mark = uuid.uuid4().hex
    first, second = submit()["id"], submit()["id"]
    prefect.log(first, (1, 20, f"{mark} one -two"), (2, 30, f"{mark} warned"), (2, 20, f"{mark} same instant"))
    prefect.log(second, (3, 40, f"{mark.upper()} failed"), (4, 20, "another matter"))

    def found(**query: Any) -> list[str]:
        lines = read_all(api, "/api/v1/logs/search", text=mark, **query)
        return [line["message"].split(" ", 1)[1] for line in lines]

    assert found()[0] == "failed"
    assert sorted(found()) == sorted(found(limit=1)) == sorted(["failed", "same instant", "warned", "one -two"])
    assert sorted(found(level="WARNING")) == ["failed", "warned"]
    assert found(job=second) == ["failed"]
    assert found(until=(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=1)).isoformat()) == ["one -two"]
    assert len(read_all(api, "/api/v1/logs/search", text=f"{mark} one -two")) == 1
    assert api.get("/api/v1/logs/search", params={"after": "nonsense"}).status_code == 422
    assert api.get("/api/v1/logs/search", params={"job": str(uuid.uuid4())}).status_code == 404


def test_a_job_says_how_often_its_steps_are_tried_again(api: httpx.Client, submit: Submit) -> None:
    assert submit(max_retries=0)["max_retries"] == 0
    assert submit()["max_retries"] is None
    assert api.post("/api/v1/jobs", json={"source": "x", "max_retries": 11}).status_code == 422
