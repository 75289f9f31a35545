"""The read that clients poll: it passes by FastAPI's solver of dependencies, and must not differ from other routes."""

from collections.abc import Callable
from typing import Any

import httpx

from data.domain.identity import Role
from tests.api.callers import Person

JOBS = "/api/v1/jobs"
Submit = Callable[..., dict[str, Any]]


def test_what_is_no_job_is_a_problem_with_all_that_answers_carry(api: httpx.Client) -> None:
    for name in ("nothing", "00000000-0000-0000-0000-000000000000"):
        answer = api.get(f"{JOBS}/{name}", headers={"X-Request-ID": f"asks-for-{name}"})

        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"] == f"asks-for-{name}"
        assert all(name in answer.headers for name in ("RateLimit-Remaining", "X-Trace-ID", "X-Frame-Options"))


def test_its_address_takes_the_methods_of_other_routes_and_no_more(api: httpx.Client, submit: Submit) -> None:
    address = f"{JOBS}/{submit()['id']}"
    refused = api.put(address, json={})
    renamed = api.patch(address, json={"title": "another"})

    assert (refused.status_code, refused.headers["Allow"]) == (405, "DELETE, GET, PATCH")
    assert (renamed.status_code, api.get(address).json()["title"]) == (200, "another")


def test_words_that_are_addresses_of_their_own_are_no_ids(api: httpx.Client) -> None:
    assert "items" in api.get(f"{JOBS}/search").json()
    assert api.get(f"{JOBS}/metrics").status_code == 200
    assert api.put(f"{JOBS}/metrics").headers["Allow"] == "GET"


def test_who_does_not_say_who_they_are_sees_nothing(locked_url: str, people: dict[Role, Person]) -> None:
    unknown = httpx.get(f"{locked_url}{JOBS}/nothing")
    forged = httpx.get(f"{locked_url}{JOBS}/nothing", headers={"Authorization": "Bearer no.such.token"})

    assert (unknown.status_code, unknown.headers["WWW-Authenticate"]) == (401, 'Bearer realm="dailies"')
    assert forged.status_code == 401
    assert "invalid_token" in forged.headers["WWW-Authenticate"]
