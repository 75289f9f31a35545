"""The manifests say what is true: components, settings, routes, ports, metrics and times that there are."""

import os
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from prefect.settings import PREFECT_API_AUTH_STRING, get_current_settings, temporary_settings

from api.gateway.figures import RunFigures
from api.metrics.families import run_families
from api.production import check_production
from data.settings import Settings
from deployments import service
from deployments.leaving import HAND_OVER_SECONDS
from deployments.pools import wanted_pools
from deployments.secrets import database_settings, drawn_secrets
from tests.api.route_table import TABLE
from tests.fakes.known_settings import unknown_variables
from tests.fakes.kubernetes_files import FOLDER, Manifest, built, is_pod_maker, manifests, settings_file

EVERY = manifests()
PODS = {each["metadata"]["name"]: each for each in EVERY if "template" in each.get("spec", {})}
"""Ours, and those of others' images."""
MAKERS = {each["metadata"]["name"]: each for each in EVERY if is_pod_maker(each)}
WORKERS = ("cpu", "gpu", "control")
SCALED = {each["metadata"]["name"]: each["spec"] for each in EVERY if each["kind"] == "ScaledObject"}
SECRETS = {**drawn_secrets(), **database_settings("db.example", "drawn")}


def pod(name: str) -> dict[str, Any]:
    return dict(MAKERS[name]["spec"]["template"]["spec"])


def container(name: str) -> dict[str, Any]:
    [found] = pod(name)["containers"]
    return dict(found)


def environment(name: str) -> dict[str, str]:
    found = {**settings_file(), **SECRETS}
    for each in container(name)["env"]:
        key = each.get("valueFrom", {}).get("secretKeyRef", {}).get("key")
        found[each["name"]] = SECRETS[key] if key else each["value"]
    return found


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("DAILIES_")]:
        monkeypatch.delenv(name)
    for name, value in environment("api").items():
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)


def port(name: str) -> int:
    [found] = container(name)["ports"]
    return int(found["containerPort"])


def probe_paths(name: str) -> set[str]:
    probes = [found for kind, found in container(name).items() if kind.endswith("Probe")]
    [served] = container(name)["ports"]
    assert {probe["httpGet"]["port"] for probe in probes} == {served["name"]}
    return {probe["httpGet"]["path"] for probe in probes}


def mounted(name: str) -> set[str]:
    return {each["mountPath"] for each in container(name)["volumeMounts"]}


def cores(name: str) -> int:
    return int(container(name)["resources"]["limits"]["cpu"])


def test_each_component_runs_once_and_is_one_that_there_is() -> None:
    assert sorted(container(name)["args"] for name in MAKERS) == sorted([each] for each in service.COMPONENTS)


def test_every_variable_is_a_setting() -> None:
    assert {name: unknown_variables(environment(name)) for name in MAKERS} == {name: set() for name in MAKERS}


def test_with_drawn_secrets_it_may_start_in_production(settings: Settings) -> None:
    assert settings.mode == "production"
    with temporary_settings({PREFECT_API_AUTH_STRING: environment("api")["PREFECT_API_AUTH_STRING"]}):
        check_production(settings)


def test_no_secret_is_in_the_files() -> None:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())

    ignored = (FOLDER.parents[1] / ".gitignore").read_text().split()

    assert [each.get("envs", each.get("files")) for each in kustomization["secretGenerator"]] == [
        ["secrets.env"],
        ["certificates/signing.pem"],
    ]
    assert not set(settings_file()) & set(SECRETS)
    assert {"secrets.env", "certificates/"} <= set(ignored)


def test_probes_ask_for_what_is_served_where_it_is_served(settings: Settings) -> None:
    assert {("GET", path) for path in probe_paths("api")} <= set(TABLE)
    assert port("api") == settings.api.port
    assert probe_paths("prefect") == {"/api/health", "/api/ready"}
    assert port("prefect") == int(environment("prefect")["PREFECT_SERVER_API_PORT"])
    for name in WORKERS:
        assert probe_paths(name) == {"/health"}
        assert port(name) == get_current_settings().worker.webserver.port


def test_services_lead_to_what_listens() -> None:
    services = {each["metadata"]["name"]: each["spec"] for each in EVERY if each["kind"] == "Service"}
    [prefect] = services["prefect"]["ports"]
    found = urlsplit(settings_file()["PREFECT_API_URL"])

    assert (found.hostname, found.port) == ("prefect", prefect["port"])
    for name, spec in services.items():
        template = PODS[name]["spec"]["template"]
        [served] = template["spec"]["containers"]
        assert spec["selector"].items() <= template["metadata"]["labels"].items()
        assert {each["targetPort"] for each in spec["ports"]} <= {each["name"] for each in served["ports"]}


def test_the_api_counts_where_a_service_leads_and_may_call_it(settings: Settings) -> None:
    assert settings.limits.storage is not None
    found = urlsplit(settings.limits.storage.get_secret_value())
    [service_] = [each for each in EVERY if each["kind"] == "Service" and each["metadata"]["name"] == found.hostname]
    [policy] = [
        each for each in EVERY if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == found.hostname
    ]
    [callers] = policy["spec"]["ingress"]

    assert found.port == service_["spec"]["ports"][0]["port"]
    assert callers["from"] == [{"podSelector": MAKERS["api"]["spec"]["selector"]}]
    assert callers["ports"] == [{"port": service_["spec"]["ports"][0]["targetPort"]}]


def test_those_who_publish_sign_with_what_is_mounted_and_others_do_not_have_it() -> None:
    [volume] = [each for each in pod("cpu")["volumes"] if "secret" in each]
    [mount] = [each for each in container("cpu")["volumeMounts"] if each["name"] == volume["name"]]
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    [made] = [each for each in kustomization["secretGenerator"] if each["name"] == volume["secret"]["secretName"]]
    deployments = yaml.safe_load((FOLDER.parents[1] / "prefect.yaml").read_text())["deployments"]
    pools = {each["entrypoint"].partition(".process_")[2]: each["work_pool"]["name"] for each in deployments}

    file = f"{mount['mountPath']}/{Path(made['files'][0]).name}"
    found = environment("cpu")
    assert {found[f"DAILIES_PROVENANCE__{name}"] for name in ("CERTIFICATE", "PRIVATE_KEY")} == {file}
    assert volume["secret"]["defaultMode"] & 0o007 == 0
    assert volume["secret"]["defaultMode"] & 0o040, "our user is of the pod's group alone"
    assert {pools[name] for name in pools if name.startswith(("asset.", "items."))} == {"cpu"}
    assert not [name for name in PODS.keys() - {"cpu"} if "signing" in str(PODS[name])]


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_has_time_to_drain(name: str, settings: Settings) -> None:
    assert pod(name)["terminationGracePeriodSeconds"] >= settings.orchestration.drain_seconds + HAND_OVER_SECONDS


def test_the_api_has_time_to_end_its_answers(settings: Settings) -> None:
    [_, before] = container("api")["lifecycle"]["preStop"]["exec"]["command"]

    assert pod("api")["terminationGracePeriodSeconds"] > float(before) + settings.api.stop_seconds


def test_nothing_runs_as_root_or_finds_the_ports_of_services_in_its_settings() -> None:
    for maker in PODS.values():
        spec = maker["spec"]["template"]["spec"]
        [only] = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["enableServiceLinks"] is False
        assert only["securityContext"]["readOnlyRootFilesystem"]


def test_scratch_and_slots_are_each_pods_own(settings: Settings) -> None:
    for name in WORKERS:
        volumes = {each["name"]: each for each in pod(name)["volumes"]}
        [home] = [each for each in container(name)["volumeMounts"] if each["mountPath"] == "/var/lib/dailies"]
        assert "emptyDir" in volumes[home["name"]]
    assert settings.storage_url.startswith("s3://")


def test_policies_and_budgets_mean_pods_that_there_are() -> None:
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in PODS.values()]
    chosen = [
        each["spec"].get("selector", each["spec"].get("podSelector", {})).get("matchLabels", {})
        for each in EVERY
        if each["kind"] in ("PodDisruptionBudget", "NetworkPolicy")
    ]
    prefect = next(each for each in EVERY if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "prefect")
    callers = [each["podSelector"]["matchLabels"] for each in prefect["spec"]["ingress"][0]["from"]]

    assert all(any(each.items() <= mine.items() for mine in labels) for each in [*chosen, *callers])
    for name in MAKERS.keys() - {"prefect"}:
        mine = MAKERS[name]["spec"]["template"]["metadata"]["labels"]
        assert any(each.items() <= mine.items() for each in callers), f"{name} has to reach Prefect"


def test_workers_are_scaled_by_metrics_that_we_export() -> None:
    figures = RunFigures(
        jobs={},
        queued={("cpu", "high"): 1},
        running={"cpu": 1},
        workers={},
        late=0,
        oldest_seconds=0.0,
        canary_seconds=None,
    )
    exported = {family.name: set(sample.labels) for family in run_families(figures) for sample in family.samples}
    for name, spec in SCALED.items():
        [trigger] = spec["triggers"]
        query = trigger["metadata"]["query"]
        assert set(re.findall(r"dailies_\w+", query)) == {"dailies_queue_depth", "dailies_runs_running"}
        assert exported["dailies_queue_depth"] == {"pool", "queue"}
        assert exported["dailies_runs_running"] == {"pool"}
        assert set(re.findall(r'pool="(\w+)"', query)) == {name}
        assert spec["scaleTargetRef"] == {"name": name}
        assert "replicas" not in MAKERS[name]["spec"], "two would decide how many there are"


def test_a_pools_limit_is_what_its_most_workers_carry(settings: Settings) -> None:
    carried = max(4, 2 * cores("cpu"))  # deployments.pools.cpu_slots, of a container with so many cores
    limits = {each.name: each.limit for each in wanted_pools(settings.orchestration)}

    assert limits["cpu"] == SCALED["cpu"]["maxReplicaCount"] * carried
    assert limits["gpu"] == SCALED["gpu"]["maxReplicaCount"]
    assert int(SCALED["cpu"]["triggers"][0]["metadata"]["threshold"]) <= carried
    assert int(SCALED["gpu"]["triggers"][0]["metadata"]["threshold"]) == 1


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_kustomize_makes_of_it_what_these_tests_look_at(tmp_path: Path) -> None:
    def key(manifest: Manifest) -> tuple[str, str]:
        return manifest["kind"], manifest["metadata"]["name"]

    found = {key(each): each for each in built(tmp_path, SECRETS)}

    assert {key(each) for each in EVERY} <= set(found)
    assert len(found) == len(EVERY) + 3, "and the settings, the secrets and the signing certificate"
    [signing] = [each for each in found.values() if each["metadata"]["name"].startswith("signing-")]
    assert list(signing["data"]) == ["signing.pem"]
    volumes = found["Deployment", "cpu"]["spec"]["template"]["spec"]["volumes"]
    assert signing["metadata"]["name"] in [each.get("secret", {}).get("secretName") for each in volumes]
    for name, maker in MAKERS.items():
        [made] = found[key(maker)]["spec"]["template"]["spec"]["containers"]
        assert made["args"] == container(name)["args"]
        assert {each["name"] for each in made["env"]} == {each["name"] for each in container(name)["env"]}
        assert made["envFrom"][1]["secretRef"]["name"].startswith("secrets-")
        assert {each["mountPath"] for each in made["volumeMounts"]} == mounted(name)
