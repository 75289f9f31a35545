"""The audit over HTTP, on a real Prefect server: what calls and runs leave there, and who may look."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prefect.client.schemas.objects import State, StateType

from data.domain.audit import AuditEntry, digest
from tests.api.conftest import Prefect
from tests.conftest import WaitUntil

Audit = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def audit(api: httpx.Client) -> Audit:
    def read(**query: Any) -> list[dict[str, Any]]:
        answer = api.get("/api/v1/audit", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    return read


def test_a_write_is_in_the_audit_when_its_answer_comes(
    api: httpx.Client, submit: Callable[..., dict[str, Any]], audit: Audit
) -> None:
    job = submit()

    [entry] = audit(resource=job["id"], kind="access")

    assert (entry["method"], entry["route"], entry["status"]) == ("POST", "/api/v1/jobs", 202)
    assert entry["address"] == "127.0.0.1"
    assert len(entry["trace_id"]) == 32
    assert entry["duration_ms"] >= 0


def test_a_change_names_what_was_changed_and_how_it_was_answered(api: httpx.Client, audit: Audit) -> None:
    answer = api.post("/api/v1/jobs/b1e2c3d4-0000-4000-8000-000000000001/cancel", headers={"X-Request-ID": "night-7"})
    assert answer.status_code == 404

    [entry] = audit(resource="b1e2c3d4-0000-4000-8000-000000000001")

    assert (entry["route"], entry["status"]) == ("/api/v1/jobs/{job_id}/cancel", 404)
    assert entry["request_id"] == "night-7"


def test_a_call_is_found_by_its_trace_its_route_and_what_it_needed(api: httpx.Client, audit: Audit) -> None:
    trace = uuid.uuid4().hex
    headers = {"traceparent": f"00-{trace}-{uuid.uuid4().hex[:16]}-01"}
    request_id = api.post(f"/api/v1/jobs/{uuid.uuid4()}/cancel", headers=headers).headers["X-Request-ID"]
    route = "/api/v1/jobs/{job_id}/cancel"

    [found] = audit(trace_id=trace)

    assert (found["route"], found["scope"], found["request_id"]) == (route, "write", request_id)
    assert audit(trace_id=trace, route=route, scope="write", request_id=request_id) == [found]
    assert audit(trace_id=trace, scope="admin") == audit(trace_id=trace, route="/api/v1/jobs") == []


def test_paths_that_strangers_try_are_not_entries(api: httpx.Client, audit: Audit) -> None:
    before = audit(limit=1)

    assert api.post("/wp-login.php").status_code == 404

    assert [each for each in audit(limit=3) if each["route"] == "(none)"] == []
    assert before[0]["sequence"] >= 1


def test_the_states_of_a_run_are_in_the_same_timeline(
    submit: Callable[..., dict[str, Any]], prefect: Prefect, audit: Audit, wait_until: WaitUntil
) -> None:
    job = submit()
    prefect.start(job["id"])
    prefect.force(job["id"], State(type=StateType.FAILED, name="Failed", message="[DATA.INPUT.CORRUPT] It is broken."))

    wait_until(lambda: [e for e in audit(job=job["id"]) if e["to_state"] == "failed"], 60, "the run's transitions")

    moves = [(each["from_state"], each["to_state"], each["reason"]) for each in reversed(audit(job=job["id"]))]
    assert moves[0] == (None, "queued", None)
    assert moves[-2:] == [("queued", "running", None), ("running", "failed", "DATA.INPUT.CORRUPT")]
    [call] = audit(resource=job["id"], kind="access", method="POST")
    assert {each["trace_id"] for each in audit(job=job["id"])} == {call["trace_id"]}
    assert len({each["id"] for each in audit(job=job["id"])}) == len(moves)


def test_pages_follow_each_other_without_gap_or_repetition(api: httpx.Client, audit: Audit) -> None:
    for _ in range(5):
        api.post("/api/v1/jobs", json={})

    first = api.get("/api/v1/audit", params={"limit": 2}).json()
    api.post("/api/v1/jobs", json={})
    second = api.get("/api/v1/audit", params={"limit": 2, "after": first["next"]}).json()

    numbers = [each["sequence"] for each in (*first["items"], *second["items"])]
    assert numbers == list(range(numbers[0], numbers[0] - 4, -1))


def test_the_chain_is_found_whole_and_every_exported_line_proves_itself(api: httpx.Client) -> None:
    api.post("/api/v1/jobs", json={})

    found = api.get("/api/v1/audit/verify").json()
    lines = [json.loads(line) for line in api.get("/api/v1/audit/export").text.splitlines()]

    assert found["ok"] is True
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["sequence"] >= found["head"]["sequence"]
    for line in lines:
        facts = {name: value for name, value in line.items() if name not in ("sequence", "previous", "hash")}
        assert digest(AuditEntry.model_validate(facts), line["sequence"], line["previous"]) == line["hash"]


def test_an_export_holds_what_was_asked_for(api: httpx.Client) -> None:
    api.post("/api/v1/jobs", json={})

    lines = api.get("/api/v1/audit/export", params={"kind": "access", "method": "post"}).text.splitlines()

    assert lines
    assert {json.loads(line)["method"] for line in lines} == {"POST"}


@pytest.mark.parametrize("query", [{"after": "nonsense"}, {"status": 7}, {"since": "yesterday"}, {"kind": "x"}])
def test_a_question_that_makes_no_sense_is_refused(api: httpx.Client, query: dict[str, Any]) -> None:
    assert api.get("/api/v1/audit", params=query).status_code == 422
