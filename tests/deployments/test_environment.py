import os
from pathlib import Path

import pytest
from prefect.settings import Settings as PrefectSettings

from data.settings import OrchestrationSettings
from deployments.children import MARKER
from deployments.components import worker
from deployments.environment import QUERY_SECONDS, TUNING, Addresses, child_environment, result_storage
from deployments.pools import wanted_pools

HOME = Path("/srv/var")
ADDRESSES = Addresses(8000, 4200, "postgresql+asyncpg://x/prefect", "postgresql+psycopg://x/catalogue", "file:///srv/s")


def environment(overrides: dict[str, str] | None = None) -> dict[str, str]:
    return child_environment(HOME, "stack-1", ADDRESSES, Path("/srv/project"), overrides or {})


def test_children_find_each_other_and_carry_the_stacks_mark() -> None:
    made = environment()

    assert made["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert made["DAILIES_CATALOGUE__URL"] == ADDRESSES.catalogue_url
    assert made["PREFECT_LOCAL_STORAGE_PATH"] == "/srv/s/results"
    assert made["PYTHONPATH"].split(os.pathsep)[0] == "/srv/project"
    assert made[MARKER] == "stack-1"


def test_a_persons_own_prefect_does_not_leak_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_PROFILE", "cloud")
    monkeypatch.setenv("PREFECT_API_KEY", "secret")
    monkeypatch.setenv("PREFECT_API_URL", "https://elsewhere.example/api")

    made = environment()

    assert "PREFECT_PROFILE" not in made
    assert "PREFECT_API_KEY" not in made
    assert made["PREFECT_API_URL"] == ADDRESSES.prefect_api_url


def test_tuning_can_be_overridden_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_WORKER_HEARTBEAT_SECONDS", "5")

    assert environment({})["PREFECT_WORKER_HEARTBEAT_SECONDS"] == "5" != TUNING["PREFECT_WORKER_HEARTBEAT_SECONDS"]
    assert environment({"PREFECT_WORKER_HEARTBEAT_SECONDS": "7"})["PREFECT_WORKER_HEARTBEAT_SECONDS"] == "7"


def test_each_pools_worker_polls_as_often_as_its_work_deserves_unless_somebody_says_otherwise() -> None:
    pools = [pool.name for pool in wanted_pools(OrchestrationSettings())]
    asked = {pool: worker(pool, ADDRESSES, environment()).environment for pool in pools}
    told = worker("cpu", ADDRESSES, environment({"PREFECT_WORKER_QUERY_SECONDS": "7"})).environment

    assert {pool: made["PREFECT_WORKER_QUERY_SECONDS"] for pool, made in asked.items()} == QUERY_SECONDS
    assert told["PREFECT_WORKER_QUERY_SECONDS"] == "7"


def test_clients_of_a_plain_http_server_load_one_certificate_that_is_there() -> None:
    made = environment()

    assert made["PREFECT_API_URL"].startswith("http://")
    assert len(Path(made["PREFECT_API_SSL_CERT_FILE"]).read_text().split("BEGIN CERTIFICATE")) == 2


def test_prefect_knows_every_variable_that_tunes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TUNING.items():
        monkeypatch.setenv(name, value)

    known = PrefectSettings().to_environment_variables(exclude_unset=True)

    assert {name for name in TUNING if name.startswith("PREFECT_")} - set(known) == set()


def test_results_go_to_the_bucket_when_the_store_is_one() -> None:
    assert result_storage("s3://bucket/dailies") == {
        "PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK": "remote-file-system/dailies-results"
    }
