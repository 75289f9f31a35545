"""The gateway against a real Prefect server: every state that Prefect knows, and every move that people can make."""

import asyncio
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import states as prefect_states
from prefect.client.schemas.objects import State, StateType

import api as api_package
from api.gateway import open_gateway
from data.domain.errors import OrchestratorUnavailableError
from deployments.stack import Stack
from tests.api.conftest import Prefect

Job = dict[str, Any]
Submit = Callable[..., Job]


def state(kind: StateType, name: str | None = None, message: str | None = None) -> State[Any]:
    return State(type=kind, name=name, message=message)


def later() -> State[Any]:
    return prefect_states.Scheduled(scheduled_time=datetime.now(UTC) + timedelta(hours=1))


EVERY_STATE = [
    (later(), "queued", None),
    (state(StateType.SCHEDULED, "Late"), "queued", "late"),
    (state(StateType.SCHEDULED, "AwaitingRetry"), "queued", "retry_wait"),
    (state(StateType.SCHEDULED, "AwaitingConcurrencySlot"), "queued", "waiting_for_slot"),
    (state(StateType.SCHEDULED, "Resuming"), "queued", None),
    (state(StateType.PENDING), "queued", None),
    (state(StateType.PENDING, "Submitting"), "queued", None),
    (state(StateType.PENDING, "InfrastructurePending"), "queued", None),
    (state(StateType.RUNNING), "running", None),
    (state(StateType.RUNNING, "Retrying"), "running", None),
    (prefect_states.Paused(timeout_seconds=600), "paused", None),
    (prefect_states.Suspended(timeout_seconds=600), "paused", None),
    (state(StateType.CANCELLING), "cancelling", None),
    (state(StateType.CANCELLED), "cancelled", None),
    (state(StateType.COMPLETED), "succeeded", None),
    (state(StateType.COMPLETED, "Cached"), "succeeded", None),
    (state(StateType.FAILED, message="boom"), "failed", "INFRA.UNKNOWN"),
    (state(StateType.FAILED, message="Task failed: [DATA.INPUT.CORRUPT] broken"), "failed", "DATA.INPUT.CORRUPT"),
    (state(StateType.FAILED, "TimedOut"), "failed", "time_limit"),
    (state(StateType.CRASHED), "queued", "infrastructure"),
]


@pytest.mark.parametrize(
    ("prefect_state", "expected", "reason"),
    EVERY_STATE,
    ids=[f"{each.type.value}-{each.name}" for each, *_ in EVERY_STATE],
)
def test_every_prefect_state_has_a_job_state(
    api: httpx.Client,
    submit: Submit,
    prefect: Prefect,
    prefect_state: State[Any],
    expected: str,
    reason: str | None,
) -> None:
    job = submit()
    if prefect_state.type is StateType.CANCELLING:  # from `Scheduled` Prefect goes on to `Cancelled` by itself
        prefect.force(job["id"], state(StateType.RUNNING))
    prefect.force(job["id"], prefect_state)

    shown = api.get(f"/api/v1/jobs/{job['id']}").json()

    assert (shown["state"], shown["reason"]) == (expected, reason)


def test_no_state_type_of_prefect_is_left_out() -> None:
    assert {each.type for each, *_ in EVERY_STATE} == set(StateType)


def start(prefect: Prefect, job: Job, times: int = 1) -> None:
    for _ in range(times):
        prefect.force(job["id"], state(StateType.PENDING))
        prefect.force(job["id"], state(StateType.RUNNING))


def test_a_crash_is_final_once_the_attempts_are_used_up(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = submit()
    start(prefect, job, times=2)
    prefect.force(job["id"], state(StateType.CRASHED))

    shown = api.get(f"/api/v1/jobs/{job['id']}").json()

    assert (shown["state"], shown["reason"], shown["attempt"]) == ("failed", "infrastructure", 2)
    assert shown["moves"] == ["retry"]


@pytest.mark.parametrize("name", ["Scheduled", "Late", "AwaitingRetry", "AwaitingConcurrencySlot"])
def test_a_waiting_job_is_cancelled_at_once(api: httpx.Client, submit: Submit, prefect: Prefect, name: str) -> None:
    job = submit()
    prefect.force(job["id"], state(StateType.SCHEDULED, name))

    answer = api.post(f"/api/v1/jobs/{job['id']}/cancel")

    assert answer.status_code == 202
    assert answer.json()["state"] == "cancelled"


def test_a_job_that_waits_for_another_attempt_is_cancelled_at_once_though_a_process_is_on_record(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    prefect.client.update_flow_run(uuid.UUID(job["id"]), infrastructure_pid="host:4711")
    start(prefect, job)
    prefect.force(job["id"], state(StateType.FAILED))
    api.post(f"/api/v1/jobs/{job['id']}/retry").raise_for_status()

    cancelled = api.post(f"/api/v1/jobs/{job['id']}/cancel").json()

    assert cancelled["state"] == "cancelled"


def test_a_crashed_job_that_would_be_tried_again_can_be_cancelled(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    start(prefect, job)
    prefect.force(job["id"], state(StateType.CRASHED))

    assert api.post(f"/api/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"


def test_a_running_job_is_cancelling_with_its_children_until_workers_have_ended_them(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    start(prefect, job)
    running, waiting = prefect.child_of(job["id"]), prefect.child_of(job["id"])
    prefect.force(str(running.id), state(StateType.RUNNING))

    cancelled = api.post(f"/api/v1/jobs/{job['id']}/cancel").json()

    assert cancelled["state"] == "cancelling"
    assert prefect.client.read_flow_run(running.id).state.type is StateType.CANCELLING
    assert prefect.client.read_flow_run(waiting.id).state.type is StateType.CANCELLED


def finish_cancellations(prefect_server: Stack, older_than: timedelta) -> None:
    async def finish() -> None:
        async with open_gateway(prefect_server.prefect_api_url, crash_attempts=1) as gateway:
            await gateway.finish_cancellations(older_than)

    asyncio.run(finish())


def test_a_job_that_a_worker_had_just_picked_up_is_cancelled_once_its_process_cannot_start_any_more(
    api: httpx.Client, submit: Submit, prefect: Prefect, prefect_server: Stack
) -> None:
    picked_up, running = submit(), submit()
    prefect.force(picked_up["id"], state(StateType.PENDING))
    start(prefect, running)
    urls = [f"/api/v1/jobs/{job['id']}" for job in (picked_up, running)]

    at_first = [api.post(f"{url}/cancel").json()["state"] for url in urls]
    finish_cancellations(prefect_server, timedelta(minutes=5))
    too_early = [api.get(url).json()["state"] for url in urls]
    finish_cancellations(prefect_server, timedelta(0))
    in_the_end = [api.get(url).json()["state"] for url in urls]

    assert at_first == too_early == ["cancelling", "cancelling"]
    assert in_the_end == ["cancelled", "cancelling"]


@pytest.mark.parametrize("kind", [StateType.FAILED, StateType.CANCELLED])
def test_an_ended_job_is_retried_under_its_id(
    api: httpx.Client, submit: Submit, prefect: Prefect, kind: StateType
) -> None:
    job = submit()
    start(prefect, job)
    prefect.force(job["id"], state(kind))

    retried = api.post(f"/api/v1/jobs/{job['id']}/retry")

    assert retried.status_code == 202
    assert retried.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert (retried.json()["id"], retried.json()["state"]) == (job["id"], "queued")
    waiting = prefect.client.get_scheduled_flow_runs_for_work_pool(
        "cpu", scheduled_before=datetime.now(UTC) + timedelta(seconds=5)
    )
    assert job["id"] in {str(each.flow_run.id) for each in waiting}


@pytest.mark.parametrize(
    ("kind", "move", "allowed"),
    [
        (StateType.COMPLETED, "cancel", []),
        (StateType.COMPLETED, "retry", []),
        (StateType.RUNNING, "retry", ["cancel"]),
        (StateType.CANCELLING, "cancel", []),
        (StateType.FAILED, "cancel", ["retry"]),
    ],
)
def test_an_illegal_move_says_what_is_allowed(
    api: httpx.Client, submit: Submit, prefect: Prefect, kind: StateType, move: str, allowed: list[str]
) -> None:
    job = submit()
    start(prefect, job)
    prefect.force(job["id"], state(kind))

    answer = api.post(f"/api/v1/jobs/{job['id']}/{move}")

    assert answer.status_code == 409
    assert answer.json()["code"] == "REQUEST.ILLEGAL_MOVE"
    assert answer.json()["facts"]["allowed"] == allowed


def test_history_tells_every_state_in_order(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = submit()
    start(prefect, job)
    prefect.force(job["id"], state(StateType.FAILED, message="[DATA.INPUT.CORRUPT] broken"))

    items = api.get(f"/api/v1/jobs/{job['id']}/history").json()["items"]

    assert [item["state"] for item in items] == ["queued", "queued", "running", "failed"]
    assert items[-1]["reason"] == "DATA.INPUT.CORRUPT"
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)


def write_log(prefect: Prefect, run_id: str, *lines: tuple[float, int, str]) -> None:
    base = datetime(2026, 1, 1, tzinfo=UTC)
    prefect.client.request(
        "POST",
        "/logs/",
        json=[
            {
                "name": "prefect.flow_runs",
                "level": level,
                "message": message,
                "timestamp": (base + timedelta(seconds=at)).isoformat(),
                "flow_run_id": run_id,
            }
            for at, level, message in lines
        ],
    )


def read_log(api: httpx.Client, job: Job, **parameters: Any) -> tuple[list[str], str | None]:
    page = api.get(f"/api/v1/jobs/{job['id']}/logs", params=parameters).json()
    return [line["message"] for line in page["items"]], page["next"]


def test_logs_of_the_job_and_its_child_are_one_log_by_time(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = submit()
    child = prefect.child_of(job["id"])
    write_log(prefect, job["id"], (1, 20, "a"), (4, 30, "d"))
    write_log(prefect, str(child.id), (2, 20, "b"), (3, 40, "c"))

    assert read_log(api, job)[0] == ["a", "b", "c", "d"]
    assert read_log(api, job, level="WARNING")[0] == ["c", "d"]


def test_logs_page_without_loss_or_repetition_even_at_one_instant(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    write_log(prefect, job["id"], *[(1, 20, f"line {number}") for number in range(5)], (2, 20, "last"))

    read, after = [], None
    for _ in range(3):
        lines, after = read_log(api, job, limit=2, **({"after": after} if after else {}))
        read += lines

    assert sorted(read) == sorted([*(f"line {number}" for number in range(5)), "last"])
    assert read[-1] == "last"


def test_a_follower_gets_the_lines_of_a_child_that_arrive_late(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    child = prefect.child_of(job["id"])
    write_log(prefect, job["id"], (10, 20, "parent"))
    first, after = read_log(api, job)
    write_log(prefect, str(child.id), (5, 20, "child, late"))

    second, _ = read_log(api, job, after=after)

    assert (first, second) == (["parent"], ["child, late"])


def test_the_log_of_an_ended_job_has_an_end(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = submit()
    write_log(prefect, job["id"], (1, 20, "only"))
    _, while_it_runs = read_log(api, job)
    prefect.force(job["id"], state(StateType.COMPLETED))

    assert while_it_runs is not None
    assert read_log(api, job) == (["only"], None)


def report(prefect: Prefect, run_id: str, step: str, percent: float) -> None:
    body = {"type": "progress", "data": percent, "description": step, "flow_run_id": run_id}
    prefect.client.request("POST", "/artifacts/", json=body)


def test_progress_is_weighted_by_step_and_includes_the_child(
    api: httpx.Client, submit: Submit, prefect: Prefect
) -> None:
    job = submit()
    start(prefect, job)
    child = prefect.child_of(job["id"])
    report(prefect, job["id"], "ingest", 100)
    report(prefect, job["id"], "transcode", 100)
    report(prefect, str(child.id), "generate", 40)

    shown = api.get(f"/api/v1/jobs/{job['id']}").json()

    assert shown["step"] == "generate"
    assert shown["progress"] == pytest.approx(0.05 + 0.6 + 0.25 * 0.4)
    assert [step["name"] for step in shown["steps"]] == ["ingest", "transcode", "generate"]
    assert shown["last_progress_at"] is not None


def test_a_run_that_is_no_job_is_not_found(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    child = prefect.child_of(submit()["id"])

    for run_id in (str(child.id), str(uuid.uuid4()), "not-an-id"):
        answer = api.get(f"/api/v1/jobs/{run_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "REQUEST.NOT_FOUND")


def read_pages(api: httpx.Client, between_pages: Callable[[], object] = lambda: None, **parameters: Any) -> list[str]:
    ids: list[str] = []
    after = None
    while True:
        page = api.get("/api/v1/jobs", params={**parameters, **({"after": after} if after else {})}).json()
        ids += [job["id"] for job in page["items"]]
        after = page["next"]
        if after is None:
            return ids
        between_pages()


def test_pages_stay_whole_while_jobs_arrive(api: httpx.Client, submit: Submit) -> None:
    mark = uuid.uuid4().hex
    wanted = [submit(title=f"{mark} {number}")["id"] for number in range(7)]

    read = read_pages(api, lambda: submit(title=f"{mark} later"), text=mark, limit=3)

    assert [job_id for job_id in read if job_id in wanted] == wanted[::-1]
    assert len(read) == len(set(read))


def test_jobs_that_are_due_at_the_same_instant_are_neither_lost_nor_repeated(
    api: httpx.Client, prefect: Prefect
) -> None:
    at = datetime(2031, 1, 1, tzinfo=UTC) + timedelta(seconds=uuid.uuid4().int % 10**9)
    wanted = {
        str(
            prefect.client.create_flow_run_from_deployment(
                prefect.deployment_id, state=prefect_states.Scheduled(scheduled_time=at)
            ).id
        )
        for _ in range(7)
    }
    window = {"created_after": at.isoformat(), "created_before": at.isoformat()}

    for limit in (1, 3, 7, 200):
        read = read_pages(api, limit=limit, **window)
        assert (len(read), set(read)) == (7, wanted)


def test_jobs_are_listed_by_state_text_and_time(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    mark = uuid.uuid4().hex
    before = datetime.now(UTC)
    first, second, third = (submit(title=f"{mark} {n}", metadata={"show": f"{mark}-{n}"}) for n in range(3))
    prefect.force(first["id"], state(StateType.FAILED))
    prefect.force(second["id"], state(StateType.CRASHED))
    start(prefect, third, times=2)
    prefect.force(third["id"], state(StateType.CRASHED))

    assert read_pages(api, text=mark, state="failed") == [third["id"], first["id"]]
    assert read_pages(api, text=mark, state=["queued", "failed"]) == [third["id"], second["id"], first["id"]]
    assert read_pages(api, text=mark, state="pausing") == []
    assert read_pages(api, text=f"{mark}-1".upper()) == [second["id"]]
    assert read_pages(api, text=mark, created_before=before.isoformat()) == []
    assert len(read_pages(api, text=mark, created_after=before.isoformat())) == 3


def test_priority_is_the_work_queue(submit: Submit, prefect: Prefect) -> None:
    for priority in ("high", "default", "low"):
        job = submit(priority=priority)
        run = prefect.client.read_flow_run(uuid.UUID(job["id"]))

        assert (job["priority"], run.work_queue_name, run.work_pool_name) == (priority, priority, "cpu")
        assert "dailies-job" in run.tags


@pytest.fixture
def busy_prefect() -> Iterator[tuple[str, list[int]]]:
    """A server that answers as Prefect does while its database is locked: 503 as often as the list says, then 200."""
    refusals: list[int] = []

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = refusals.pop() if refusals else 200
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api", refusals
        server.shutdown()


async def ping(api_url: str) -> None:
    async with open_gateway(api_url, crash_attempts=1) as gateway:
        await gateway.ping()


def test_a_prefect_that_is_busy_for_a_moment_is_asked_again(busy_prefect: tuple[str, list[int]]) -> None:
    api_url, refusals = busy_prefect
    refusals += [503, 502]

    asyncio.run(ping(api_url))

    assert refusals == []


def test_a_prefect_that_stays_busy_is_away(busy_prefect: tuple[str, list[int]]) -> None:
    api_url, refusals = busy_prefect
    refusals += [503] * 50

    with pytest.raises(OrchestratorUnavailableError, match="503"):
        asyncio.run(ping(api_url))


def test_nobody_else_in_the_api_imports_prefect() -> None:
    others = [path for path in Path(api_package.__file__ or "").parent.rglob("*.py") if path.name != "gateway.py"]

    assert len(others) > 10
    assert [path.name for path in others if re.search(r"^\s*(import|from) prefect", path.read_text(), re.M)] == []
