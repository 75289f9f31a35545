import os
from pathlib import Path

import pytest

from data.settings import Settings
from deployments.environment import QUERY_SECONDS, TUNING
from deployments.pools import wanted_pools
from deployments.service import COMPONENTS, component_argv, component_environment
from deployments.stack import WORKER_POOLS
from tests.fakes.known_settings import unknown_variables


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith(("DAILIES_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect:4200/api")
    monkeypatch.setenv("DAILIES_HOME", str(tmp_path))
    monkeypatch.setenv("DAILIES_STORAGE__URL", "s3://bucket/dailies")
    monkeypatch.setenv("DAILIES_STORAGE__ACCESS_KEY", "key")
    monkeypatch.setenv("DAILIES_ORCHESTRATION__DRAIN_SECONDS", "90")
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "9")
    return Settings(_env_file=None)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_gets_what_it_needs_besides_and_keeps_what_it_was_given(
    component: str, settings: Settings, tmp_path: Path
) -> None:
    made = component_environment(component, settings)

    assert {name for name in TUNING if made[name] != TUNING[name]} == {"PREFECT_CLIENT_MAX_RETRIES"}
    assert made["PREFECT_API_URL"] == "http://prefect:4200/api"
    assert made["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert made["PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK"]
    assert made["AWS_ACCESS_KEY_ID"] == "key"


def test_certificates_are_loaded_where_there_is_something_to_check(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = component_environment("api", settings)
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example/api")

    assert "PREFECT_API_SSL_CERT_FILE" in plain
    assert "PREFECT_API_SSL_CERT_FILE" not in component_environment("api", settings)


@pytest.mark.parametrize(("component", "pool"), WORKER_POOLS.items())
def test_a_worker_takes_what_its_machine_carries_and_is_given_time_to_leave(
    component: str, pool: str, settings: Settings
) -> None:
    argv = component_argv(component, settings)
    [slots] = [each.default_limit for each in wanted_pools(settings.orchestration) if each.name == pool]

    assert argv[argv.index("--limit") + 1] == str(slots)
    assert argv[argv.index("--drain-seconds") + 1] == "90.0"
    assert argv[argv.index("--pool") + 1] == pool
    assert component_environment(component, settings)["PREFECT_WORKER_QUERY_SECONDS"] == QUERY_SECONDS[pool]


def test_the_server_puts_its_ui_together_where_it_may_write(settings: Settings, tmp_path: Path) -> None:
    made = component_environment("server", settings)

    assert Path(made["PREFECT_UI_STATIC_DIRECTORY"]).is_relative_to(tmp_path)
    assert unknown_variables(made) <= {name for name in made if name.startswith("DAILIES_")}
