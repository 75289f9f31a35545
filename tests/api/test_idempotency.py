"""The same call again, however it went the first time, starts nothing twice."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.schemas.objects import State, StateType

from data.database import Database
from data.repositories import IdempotencyRepository
from tests.api.conftest import Prefect

JOBS = "/api/v1/jobs"


@pytest.fixture
def body(media_folder: Path) -> dict[str, Any]:
    return {"source": str(media_folder / "clip.mp4"), "title": uuid.uuid4().hex}


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def post(api: httpx.Client, body: dict[str, Any], key: str) -> httpx.Response:
    return api.post(JOBS, json=body, headers={"Idempotency-Key": key})


def count(api: httpx.Client, body: dict[str, Any]) -> int:
    return len(api.get(JOBS, params={"text": body["title"]}).json()["items"])


def test_the_same_call_gets_the_same_answer(api: httpx.Client, body: dict[str, Any], key: str) -> None:
    first = post(api, body, key)
    again = post(api, dict(reversed(body.items())), f'"{key}"')

    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.json(), again.headers["Location"]) == (
        202,
        first.json(),
        first.headers["Location"],
    )
    assert count(api, body) == 1


def test_another_body_under_the_same_key_is_refused(api: httpx.Client, body: dict[str, Any], key: str) -> None:
    post(api, body, key)

    answer = post(api, {**body, "priority": "high"}, key)

    assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST.IDEMPOTENCY.MISMATCH")


def test_a_call_that_was_refused_may_be_mended_under_its_key(api: httpx.Client, body: dict[str, Any], key: str) -> None:
    assert post(api, {**body, "recipe": "unknown"}, key).status_code == 422

    assert post(api, body, key).status_code == 202


def test_of_many_calls_at_once_one_is_carried_out(
    api_url: str, api: httpx.Client, body: dict[str, Any], key: str
) -> None:
    answers: list[httpx.Response] = []

    def call() -> None:
        with httpx.Client(base_url=api_url, timeout=60) as client:
            answers.append(post(client, body, key))

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {
        "REQUEST.IDEMPOTENCY.IN_FLIGHT"
    }
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert count(api, body) == 1


def test_a_crash_between_prefect_and_the_catalogue_does_not_make_a_second_run(
    api: httpx.Client, body: dict[str, Any], key: str, database: Database
) -> None:
    first = post(api, body, key)
    forget_the_answer(database)

    again = post(api, body, key)

    assert "Idempotency-Replayed" not in again.headers
    assert again.json()["id"] == first.json()["id"]
    assert count(api, body) == 1


def forget_the_answer(database: Database) -> None:
    """Leave the catalogue as a process leaves it that died before it kept the answer, after the time to take over."""
    with database.session() as session:
        IdempotencyRepository(session).forget(timedelta(0))


@pytest.mark.parametrize("bad", ["a b", "x" * 256, '""', "ä"])
def test_a_key_that_is_none_is_refused(api: httpx.Client, body: dict[str, Any], bad: str) -> None:
    answer = api.post(JOBS, json=body, headers={"Idempotency-Key": bad.encode("latin-1")})

    assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST.INVALID")
    assert count(api, body) == 0


def test_without_a_key_every_call_is_one_of_its_own(submit: Callable[..., dict[str, Any]]) -> None:
    assert submit()["id"] != submit()["id"]


def test_a_job_is_tried_again_once_however_often_it_is_asked(
    api: httpx.Client, body: dict[str, Any], key: str, prefect: Prefect
) -> None:
    job = f"{JOBS}/{api.post(JOBS, json=body).json()['id']}"
    prefect.force(job.rpartition("/")[2], State(type=StateType.FAILED, message="boom"))
    headers = {"Idempotency-Key": key, "If-Match": api.get(job).headers["ETag"]}

    first, again = (api.post(f"{job}/retry", headers=headers) for _ in range(2))

    assert (first.status_code, again.status_code) == (202, 202)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    assert api.post(f"{job}/retry", headers=headers | {"Idempotency-Key": f"{key}-2"}).status_code == 412
    assert api.post(f"{job}/retry").status_code == 409


def test_a_paused_job_is_resumed_once_however_often_it_is_asked(
    api: httpx.Client, body: dict[str, Any], key: str
) -> None:
    job = f"{JOBS}/{api.post(JOBS, json=body).json()['id']}"
    api.post(f"{job}/pause")

    answers = [api.post(f"{job}/resume", headers={"Idempotency-Key": key}) for _ in range(2)]

    assert [each.status_code for each in answers] == [202, 202]
    assert api.post(f"{job}/resume").status_code == 409
