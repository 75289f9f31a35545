"""Dashboard and alerts against the real thing: promtool, and a Prometheus that scrapes a running stack's API."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deployments.components import PROJECT
from deployments.stack import Stack
from tests.conftest import WaitUntil
from tests.fakes.processes import free_ports, start_server, stop_server

RULES = PROJECT / "deployments" / "prometheus"
DASHBOARD = PROJECT / "deployments" / "grafana" / "operations.json"
ALERT_TESTS = Path(__file__).parent / "prometheus" / "alerts_test.yml"

with_prometheus = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")),
    reason="needs Prometheus: apt-get install prometheus",
)


def panels() -> list[dict[str, Any]]:
    return [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]


def dashboard_expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def alert_expressions() -> list[str]:
    document = yaml.safe_load((RULES / "alerts.yml").read_text())
    return [rule["expr"] for group in document["groups"] for rule in group["rules"]]


def promtool(*arguments: str | Path, cwd: Path) -> str:
    done = subprocess.run(["promtool", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    every = dashboard["panels"]

    assert dashboard["uid"]
    assert dashboard["schemaVersion"] >= 36
    assert len({each["id"] for each in every}) == len(every)
    assert [variable["type"] for variable in dashboard["templating"]["list"]] == ["datasource"]
    for each in panels():
        assert each["title"]
        assert {target["datasource"]["uid"] for target in each["targets"]} == {"${datasource}"}
        assert len({target["refId"] for target in each["targets"]}) == len(each["targets"])


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for each in json.loads(DASHBOARD.read_text())["panels"]:
        place = each["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, each["title"]
        taken |= cells


def test_every_alert_says_how_bad_it_is_and_what_it_means() -> None:
    document = yaml.safe_load((RULES / "alerts.yml").read_text())
    for rule in document["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]


@with_prometheus
def test_promtool_finds_configuration_and_rules_right() -> None:
    promtool("check", "config", "prometheus.yml", cwd=RULES)
    promtool("check", "rules", "alerts.yml", cwd=RULES)


@with_prometheus
def test_each_alert_fires_when_it_should(tmp_path: Path) -> None:
    shutil.copy(RULES / "alerts.yml", tmp_path)
    shutil.copy(ALERT_TESTS, tmp_path)

    promtool("test", "rules", ALERT_TESTS.name, cwd=tmp_path)

    tested = set(re.findall(r"alertname: (\w+)", ALERT_TESTS.read_text()))
    named = set(re.findall(r"- alert: (\w+)", (RULES / "alerts.yml").read_text()))
    assert tested == named


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = self.http.get("/api/v1/query", params={"query": expression})
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def is_ready(self) -> bool:
        try:
            return self.http.get("/-/ready").is_success
        except httpx.TransportError:
            return False


@pytest.fixture
def prometheus(stack: Stack, tmp_path: Path, wait_until: WaitUntil) -> Iterator[Prometheus]:
    document = yaml.safe_load((RULES / "prometheus.yml").read_text())
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document["scrape_configs"][0]["static_configs"] = [{"targets": [stack.api_url.removeprefix("http://")]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(document))
    shutil.copy(RULES / "alerts.yml", tmp_path)
    port = free_ports(1)[0]
    command = ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    process = start_server([*command, f"--web.listen-address=127.0.0.1:{port}"], tmp_path / "log", tmp_path)
    running = Prometheus(f"http://127.0.0.1:{port}")
    try:
        wait_until(running.is_ready, 60, "Prometheus")
        yield running
    finally:
        running.http.close()
        stop_server(process)


@pytest.mark.slow
@with_prometheus
def test_a_real_prometheus_scrapes_and_evaluates_everything(
    prometheus: Prometheus, stack: Stack, wait_until: WaitUntil
) -> None:
    for _ in range(3):
        httpx.get(f"{stack.api_url}/api/v1/jobs", timeout=30)
        httpx.post(f"{stack.api_url}/api/v1/jobs", json={}, timeout=30)
    wait_until(lambda: len(prometheus.query("count_over_time(up[1m]) > 3")) > 0, 60, "some scrapes")

    for expression in (*dashboard_expressions(), *alert_expressions()):
        prometheus.query(expression)

    must_have = [
        "dailies_up == 1",
        'dailies_workers{pool="cpu"} == 1',
        "dailies_jobs",
        "dailies_queue_depth",
        'rate(dailies_http_requests_total{route="/api/v1/jobs"}[1m])',
        "histogram_quantile(0.95, sum by (le) (rate(dailies_http_request_duration_seconds_bucket[1m])))",
        "dailies_disk_free_bytes / dailies_disk_size_bytes",
        "dailies_audit_recorded_total > 0",
        "dailies_audit_chain_ok == 1",
        "dailies_canary_age_seconds",
    ]
    for expression in must_have:
        wait_until(lambda: prometheus.query(expression), 90, expression)  # noqa: B023
    rules = prometheus.http.get("/api/v1/rules").json()["data"]["groups"]
    assert {rule["health"] for group in rules for rule in group["rules"]} == {"ok"}


@pytest.mark.slow
def test_every_name_in_dashboard_and_alerts_is_one_that_is_exported(stack: Stack) -> None:
    text = httpx.get(f"{stack.api_url}/api/v1/metrics", timeout=30).text
    names = set()
    for family in text_string_to_metric_families(text):
        names |= {family.name, f"{family.name}_total", f"{family.name}_bucket"}

    used = set(re.findall(r"\bdailies_\w+", " ".join((*dashboard_expressions(), *alert_expressions()))))

    assert used - names == set()
