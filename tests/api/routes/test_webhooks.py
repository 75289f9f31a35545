"""Who is told: made, changed, switched and forgotten; and whose business it is."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from data.database import Database
from data.domain.identity import LOCAL_USER
from data.domain.webhooks import MAX_ENDPOINTS_OF_AN_OWNER, is_secret, new_secret
from data.repositories import WebhookEndpointRepository
from tests.fakes.webhooks import endpoint_at

WEBHOOKS = "/api/v1/webhooks"
URL = "https://receiver.example/hook"


@pytest.fixture
def endpoint(api: httpx.Client) -> Iterator[dict[str, Any]]:
    made = api.post(WEBHOOKS, json={"url": URL, "description": "Ours"})
    assert made.status_code == 201, made.text
    yield made.json()
    api.delete(f"{WEBHOOKS}/{made.json()['id']}")


def test_the_secret_is_shown_when_it_is_made_and_then_only_by_its_own_call(
    api: httpx.Client, endpoint: dict[str, Any]
) -> None:
    url = f"{WEBHOOKS}/{endpoint['id']}"
    listed = api.get(WEBHOOKS).json()["items"]

    assert is_secret(endpoint["secret"])
    assert endpoint["events"] == ["job.*", "batch.*", "endpoint.*"]
    assert "secret" not in api.get(url).json()
    assert all("secret" not in each for each in listed)
    shown = api.get(f"{url}/secret")
    assert (shown.json()["secret"], shown.headers["Cache-Control"]) == (endpoint["secret"], "no-store")


def test_lists_have_pages(api: httpx.Client, endpoint: dict[str, Any]) -> None:
    other = api.post(WEBHOOKS, json={"url": URL}).json()
    first = api.get(WEBHOOKS, params={"limit": 1}).json()
    second = api.get(WEBHOOKS, params={"limit": 1, "after": first["next"]}).json()

    assert [first["items"][0]["id"], second["items"][0]["id"]] == [other["id"], endpoint["id"]]
    assert api.delete(f"{WEBHOOKS}/{other['id']}").status_code == 204


def test_it_is_changed_switched_off_and_on(api: httpx.Client, endpoint: dict[str, Any]) -> None:
    url = f"{WEBHOOKS}/{endpoint['id']}"
    changed = api.patch(url, json={"events": ["job.failed", "item.*"], "description": ""}).json()
    off = api.post(f"{url}/disable").json()
    on = api.post(f"{url}/enable").json()

    assert (changed["events"], changed["description"], changed["url"]) == (["job.failed", "item.*"], "", URL)
    assert (off["disabled_reason"], on["disabled_at"]) == ("request", None)


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://receiver.example/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://169.254.169.254/latest"},
        {"url": "https://user:word@receiver.example/"},
        {"url": URL, "events": ["job.exploded"]},
        {"url": URL, "events": []},
        {"url": URL, "secret": "mine"},
        {"url": URL, "colour": "red"},
    ],
)
def test_what_cannot_be_told_is_refused(api: httpx.Client, body: dict[str, Any]) -> None:
    refused = api.post(WEBHOOKS, json=body)

    assert (refused.status_code, refused.json()["code"]) == (422, "REQUEST.INVALID")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/x"), ("DELETE", "/x"), ("GET", "/x/secret"), ("POST", "/x/test"), ("POST", "/x/enable"),
        ("POST", "/x/disable"), ("GET", "/deliveries/x"), ("POST", "/deliveries/x/replay"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(api: httpx.Client, method: str, path: str) -> None:
    assert api.request(method, f"{WEBHOOKS}{path}").status_code == 404


def test_a_secret_of_ones_own_is_taken_and_rotated(api: httpx.Client) -> None:
    mine, next_one = new_secret(), new_secret()
    made = api.post(WEBHOOKS, json={"url": URL, "secret": mine}).json()
    url = f"{WEBHOOKS}/{made['id']}"
    rotated = api.post(f"{url}/rotate-secret", json={"secret": next_one, "overlap_seconds": 60}).json()

    assert made["secret"] == mine
    assert rotated["secret"] == next_one
    assert rotated["previous_secret_until"] is not None
    api.delete(url)


def test_a_refused_secret_is_not_said_again(api: httpx.Client) -> None:
    assert "hunter2" not in api.post(WEBHOOKS, json={"url": URL, "secret": "hunter2"}).text


@pytest.mark.parametrize(
    "webhooks",
    [["https://10.0.0.1/"], ["whk_unknown"], [URL] * 11, [{"url": URL, "events": ["batch.*"]}], [{"url": URL, "x": 1}]],
)
def test_a_job_with_a_receiver_that_cannot_be_told_is_refused(
    api: httpx.Client, media_folder: Any, webhooks: list[Any]
) -> None:
    refused = api.post("/api/v1/jobs", json={"source": f"{media_folder}/clip.mp4", "webhooks": webhooks})

    assert refused.status_code == 422


def test_the_same_call_again_makes_no_second_receiver(api: httpx.Client, media_folder: Any) -> None:
    body = {"source": f"{media_folder}/clip.mp4", "webhooks": [URL]}
    first, second = (
        api.post("/api/v1/jobs", json=body, headers={"Idempotency-Key": "told-once"}).json() for _ in range(2)
    )
    listed = api.get(WEBHOOKS, params={"with_those_of_one_job": True, "limit": 200}).json()["items"]

    assert first["webhooks"] == second["webhooks"]
    assert [each["id"] for each in listed if each["id"] in first["webhooks"]] == first["webhooks"]


def test_the_same_call_again_makes_no_second_endpoint(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "an-endpoint"}
    first, again = (api.post(WEBHOOKS, json={"url": URL}, headers=key) for _ in range(2))
    other = api.post(WEBHOOKS, json={"url": URL, "secret": new_secret()}, headers=key)
    api.delete(first.headers["Location"])

    assert first.json() == again.json()
    assert (first.status_code, again.status_code, again.headers["Location"]) == (201, 201, first.headers["Location"])
    assert other.json()["code"] == "REQUEST.IDEMPOTENCY.MISMATCH"


def test_nobody_has_more_of_them_than_there_may_be(api: httpx.Client, database: Database) -> None:
    with database.session() as session:
        known = WebhookEndpointRepository(session).count_of(LOCAL_USER)
        for number in range(MAX_ENDPOINTS_OF_AN_OWNER - known):
            WebhookEndpointRepository(session).add(endpoint_at(URL, new_secret(), id=f"whk_many{number}"))

    refused = api.post(WEBHOOKS, json={"url": URL})
    with database.session() as session:
        count = WebhookEndpointRepository(session).count_of(LOCAL_USER)
        for number in range(MAX_ENDPOINTS_OF_AN_OWNER - known):
            WebhookEndpointRepository(session).delete(f"whk_many{number}")

    assert (refused.status_code, refused.json()["code"]) == (409, "REQUEST.TOO_MANY_WEBHOOKS")
    assert refused.json()["facts"]["most"] == count == MAX_ENDPOINTS_OF_AN_OWNER


def test_a_test_waits_in_the_list_of_deliveries(api: httpx.Client, endpoint: dict[str, Any]) -> None:
    sent = api.post(f"{WEBHOOKS}/{endpoint['id']}/test").json()
    listed = api.get(f"{WEBHOOKS}/deliveries", params={"endpoint_id": endpoint["id"]}).json()["items"]
    detail = api.get(f"{WEBHOOKS}/deliveries/{sent['id']}").json()

    assert [each["id"] for each in listed] == [sent["id"]]
    assert (detail["type"], detail["body"]["type"]) == ("webhook.test", "webhook.test")


def test_deliveries_of_a_wrong_cursor_are_refused(api: httpx.Client) -> None:
    assert api.get(f"{WEBHOOKS}/deliveries", params={"after": "zzz"}).status_code == 422
