"""The metrics over HTTP: right in form, of few labels, and there also when others are away."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from data.domain.identity import Role
from data.settings import AuthSettings, MetricsSettings, Settings
from tests.api.callers import Person
from tests.api.conftest import ServeApi
from tests.fakes.processes import free_ports


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


@pytest.fixture
def scrape(api: httpx.Client) -> Callable[[], dict[str, list[tuple[dict[str, str], float]]]]:
    def get() -> dict[str, list[tuple[dict[str, str], float]]]:
        answer = api.get("/api/v1/metrics")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        return samples(answer.text)

    return get


def test_requests_are_counted_by_template_and_never_by_path(api: httpx.Client, scrape: Any) -> None:
    for number in range(3):
        api.get(f"/api/v1/jobs/not-a-job-{number}")
        api.get(f"/no/such/path/{number}")

    counted = scrape()["dailies_http_requests_total"]

    by_route: Counter[tuple[str, str]] = Counter()
    for each, value in counted:  # one for each method
        by_route[each["route"], each["status"]] += round(value)
    assert by_route["/api/v1/jobs/{job_id}", "404"] >= 3
    assert by_route["(none)", "404"] >= 3
    assert not any("not-a-job" in route or "/no/such" in route for route, _ in by_route)


def test_jobs_queues_and_workers_are_shown(submit: Callable[..., Any], scrape: Any) -> None:
    submit()

    found = scrape()

    assert {each["state"] for each, _ in found["dailies_jobs"]} >= {"queued", "running", "failed", "succeeded"}
    assert {(each["pool"], each["queue"]) for each, _ in found["dailies_queue_depth"]} >= {("cpu", "default")}
    assert {each["pool"] for each, _ in found["dailies_workers"]} == {"cpu", "gpu", "control"}
    assert {each["component"]: value for each, value in found["dailies_up"]} == {
        "prefect": 1,
        "catalogue": 1,
        "store": 1,
    }
    assert found["dailies_disk_free_bytes"][0][1] > 0


def test_a_scrape_succeeds_while_prefect_and_the_catalogue_are_away(settings: Settings, serve_api: ServeApi) -> None:
    port = free_ports(1)[0]
    catalogue = settings.catalogue.model_copy(update={"url": f"postgresql://u@127.0.0.1:{port}/d"})
    url = serve_api(settings.model_copy(update={"catalogue": catalogue}), f"http://127.0.0.1:{port}/api")

    found = samples(httpx.get(f"{url}/api/v1/metrics", timeout=30).text)

    assert {each["component"]: value for each, value in found["dailies_up"]} == {
        "prefect": 0,
        "catalogue": 0,
        "store": 1,
    }
    assert "dailies_http_requests_total" in found
    assert "dailies_jobs" not in found


def asked(url: str, **headers: str) -> tuple[int, str]:
    answer = httpx.get(f"{url}/api/v1/metrics", headers=headers, timeout=30)
    return answer.status_code, "" if answer.is_success else answer.json()["code"]


def test_where_there_is_a_token_prometheus_needs_it(settings: Settings, serve_api: ServeApi) -> None:
    auth = AuthSettings(required=True, secrets=[SecretStr("0123456789abcdef" * 3)])
    metrics = MetricsSettings(token=SecretStr("secret"))
    url = serve_api(settings.model_copy(update={"auth": auth, "metrics": metrics}), "http://127.0.0.1:9/api")

    assert asked(url, Authorization="Bearer secret") == (200, "")
    assert asked(url) == (401, "AUTH.REQUIRED")
    assert asked(url, Authorization="Bearer secreT") == (401, "AUTH.TOKEN.INVALID")


def test_where_there_is_none_this_machine_itself_sees_them_and_administrators(
    locked_url: str, people: dict[Role, Person]
) -> None:
    behind_a_proxy = {"X-Forwarded-For": "203.0.113.9"}

    assert asked(locked_url) == (200, "")
    assert asked(locked_url, **behind_a_proxy) == (401, "AUTH.REQUIRED")
    assert asked(locked_url, **behind_a_proxy, **people[Role.OPERATOR].headers) == (403, "AUTH.SCOPE.MISSING")
    assert asked(locked_url, **behind_a_proxy, **people[Role.ADMIN].headers) == (200, "")
