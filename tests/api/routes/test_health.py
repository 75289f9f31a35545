import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from data.domain.jobs import WORK_POOLS
from data.settings import CatalogueSettings, Settings
from tests.api.conftest import Prefect, ServeApi

READY = "/api/v1/health/ready"


@pytest.fixture(scope="module", autouse=True)
def upkeep(prefect: Prefect) -> Iterator[None]:
    """A run of upkeep that has started lately: the server of these tests is as old as their whole process."""
    deployment = prefect.client.read_deployment_by_name("maintenance/every-minute").id
    run = prefect.client.create_flow_run_from_deployment(deployment)
    prefect.start(str(run.id))
    yield
    prefect.client.delete_flow_run(run.id)


def test_alive_asks_nobody(api: httpx.Client) -> None:
    assert api.get("/api/v1/health").json() == {"status": "alive"}


def test_without_workers_the_service_is_degraded_and_says_which_are_missing(api: httpx.Client) -> None:
    answer = api.get(READY)

    found = {each["name"]: each for each in answer.json()["dependencies"]}
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert {name for name, each in found.items() if each["ok"]} == {"prefect", "catalogue", "store", "canary"}
    assert "gpu" in found["workers:gpu"]["detail"]
    assert all(each["latency_ms"] > 0 for each in found.values())


def test_with_a_live_worker_in_each_pool_the_service_is_ready(api: httpx.Client, prefect: Prefect) -> None:
    for pool in WORK_POOLS:
        prefect.client.request(
            "POST", f"/work_pools/{pool}/workers/heartbeat", json={"name": "w", "heartbeat_interval_seconds": 30}
        )

    ready = api.get(READY).json()
    for pool in WORK_POOLS:
        prefect.client.request("DELETE", f"/work_pools/{pool}/workers/w")

    assert ready["status"] == "ready"
    assert set(ready["jobs"]) == {"queued", "running", "paused", "cancelling"}


def test_the_canary_is_the_last_scheduled_run_that_really_started(api: httpx.Client) -> None:
    canary = next(each for each in api.get(READY).json()["dependencies"] if each["name"] == "canary")

    assert canary["ok"]
    assert re.fullmatch(r"started \d+ s ago, [\d.]+ s after its time", canary["detail"])
    assert not canary["needed"]


@pytest.fixture(scope="module")
def lonely(serve_api: ServeApi, tmp_path_factory: pytest.TempPathFactory) -> httpx.Client:
    """An API whose Prefect and whose catalogue are not there."""
    home: Path = tmp_path_factory.mktemp("lonely")
    catalogue = CatalogueSettings(url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    return httpx.Client(
        base_url=serve_api(Settings(home=home, catalogue=catalogue, _env_file=None), "http://127.0.0.1:1/api")
    )


def test_a_needed_dependency_that_is_away_makes_the_service_unavailable(lonely: httpx.Client) -> None:
    answer = lonely.get(READY)

    away = {each["name"] for each in answer.json()["dependencies"] if each["needed"] and not each["ok"]}
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert away == {"prefect", "catalogue"}


def test_without_prefect_the_process_lives_and_calls_say_so_at_once(lonely: httpx.Client) -> None:
    answer = lonely.get("/api/v1/jobs")

    assert lonely.get("/api/v1/health").status_code == 200
    assert (answer.status_code, answer.json()["code"]) == (503, "INFRA.PREFECT.UNAVAILABLE")
    assert answer.headers["Retry-After"]


def test_without_the_catalogue_calls_say_so(lonely: httpx.Client) -> None:
    answer = lonely.get(f"/api/v1/assets/{'a' * 24}")

    assert (answer.status_code, answer.json()["code"]) == (503, "INFRA.CATALOGUE.UNAVAILABLE")
