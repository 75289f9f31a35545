"""The real `prefect.yaml` on a real server over Postgres: with the real flows, and with stand-ins for them."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import CronSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings

from data.settings import BatchSettings, CatalogueSettings, OrchestrationSettings, Settings, StorageSettings
from deployments.bootstrap import run_environment
from deployments.components import PROJECT
from deployments.environment import isolated
from deployments.pools import Pool, apply_pool
from deployments.schedules import NIGHTLY, WATCH, switch_by_settings
from deployments.stack import Stack
from tests.conftest import WaitUntil

BOOTSTRAP = """
from pathlib import Path
from data.settings import get_settings
from deployments.bootstrap import bootstrap
bootstrap(get_settings(), Path.cwd())
"""


@dataclass(frozen=True)
class Bootstrapped:
    """A server with everything that bootstrap puts on it."""

    stack: Stack

    def ask(self, path: str, **body: Any) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self.stack.prefect_api_url}{path}", json=body, timeout=30)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return sorted(found, key=lambda each: str(each["id"]))

    def state(self) -> dict[str, Any]:
        """Return everything that bootstrap writes, except what changes by itself."""
        state: dict[str, Any] = {
            "pools": self.ask("/work_pools/filter"),
            "deployments": self.ask("/deployments/filter"),
            "automations": self.ask("/automations/filter"),
            "cpu queues": self.ask("/work_pools/cpu/queues/filter"),
            "gpu queues": self.ask("/work_pools/gpu/queues/filter"),
            "control queues": self.ask("/work_pools/control/queues/filter"),
        }
        return {kind: [_lasting(one) for one in found] for kind, found in state.items()}


@dataclass(frozen=True)
class Project(Bootstrapped):
    """A project folder with stand-in flows, bootstrapped onto a server of its own."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**self.stack.environment, "PYTHONPATH": f"{self.folder}:{PROJECT}"}

    def run(self, *argv: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            [sys.executable, *argv],
            cwd=cwd or self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _lasting(value: Any) -> Any:
    """Leave out times and what the server derives from them."""
    passing = {"updated", "status", "last_polled", "code_repository_url"}
    if isinstance(value, dict):
        return {key: _lasting(item) for key, item in value.items() if key not in passing}
    return [_lasting(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def server(stack: Stack) -> Bootstrapped:
    """The one of the stack that all tests share."""
    return Bootstrapped(stack)


@pytest.fixture(scope="module")
def project(state_home: Callable[[str], Path]) -> Iterator[Project]:
    folder = state_home("project")
    shutil.copytree(PROJECT / "tests" / "fakes" / "project", folder, dirs_exist_ok=True)
    shutil.copy(PROJECT / "prefect.yaml", folder)
    with Stack(state_home("bootstrap"), components=("postgres", "server"), environment=isolated()) as stack:
        made = Project(stack, folder)
        made.run("-c", BOOTSTRAP)
        yield made


def test_the_deployments_of_the_project_are_registered(server: Bootstrapped) -> None:
    flows = {flow["id"]: flow["name"] for flow in server.ask("/flows/filter")}
    found = {f"{flows[one['flow_id']]}/{one['name']}": one for one in server.ask("/deployments/filter")}

    assert {name: (one["work_pool_name"], one["work_queue_name"]) for name, one in found.items()} == {
        "process-asset/on-demand": ("cpu", "default"),
        "transcode-chunk/on-demand": ("cpu", "default"),
        "prepare-asset/on-demand": ("gpu", "default"),
        "generate-asset/on-demand": ("gpu", "default"),
        "analyze-asset/on-demand": ("gpu", "default"),
        "process-items/on-demand": ("cpu", "default"),
        "generate-items/on-demand": ("gpu", "default"),
        "check-providers/on-demand": ("control", "high"),
        "settle-generations/on-demand": ("control", "default"),
        "update-copies/on-demand": ("cpu", "default"),
        "process-batch/on-demand": ("control", "default"),
        "process-batch/nightly": ("control", "default"),
        "watch-folder/every-minute": ("control", "high"),
        "maintenance/every-minute": ("control", "high"),
    }
    assert found["process-asset/on-demand"]["tags"] == ["dailies-job"]
    assert found["process-asset/on-demand"]["entrypoint"] == "flows.process_asset.process_asset"
    assert all(not one["pull_steps"] for one in found.values())


def test_each_pool_has_three_queues_by_priority(server: Bootstrapped) -> None:
    for pool in ("cpu", "gpu", "control"):
        queues = server.ask(f"/work_pools/{pool}/queues/filter")
        assert {queue["name"]: queue["priority"] for queue in queues} == {"high": 1, "default": 2, "low": 3}


def test_silent_runs_are_crashed_by_an_automation_but_paused_ones_are_not(server: Bootstrapped) -> None:
    (automation,) = server.ask("/automations/filter")

    assert automation["enabled"]
    assert automation["actions"][0]["state"] == "CRASHED"
    assert {"prefect.flow-run.Suspended", "prefect.flow-run.Paused"} <= set(automation["trigger"]["expect"])


def test_the_schedule_makes_runs(server: Bootstrapped, wait_until: WaitUntil) -> None:
    # SQLAlchemy 2.1 with Prefect 3.8.8 made none, and said so only in the server's log.
    wait_until(
        lambda: any(run["auto_scheduled"] for run in server.ask("/flow_runs/filter")), description="a scheduled run"
    )


@pytest.mark.slow
def test_a_second_bootstrap_changes_nothing(project: Project) -> None:
    before = project.state()

    project.run("-c", BOOTSTRAP)

    assert project.state() == before


@pytest.mark.slow
def test_schedules_stay_as_people_made_them(project: Project) -> None:
    with temporary_settings({PREFECT_API_URL: project.stack.prefect_api_url}), get_client(sync_client=True) as client:
        nightly = client.read_deployment_by_name(NIGHTLY)
        [own] = nightly.schedules
        at_three = CronSchedule(cron="0 3 * * *", timezone="Europe/Berlin")
        client.update_deployment_schedule(
            nightly.id, own.id, active=True, schedule=at_three, parameters={"manifest": "/in/{date}.csv"}
        )
        client.create_deployment_schedules(nightly.id, [(CronSchedule(cron="0 6 * * *"), True)])  # as the UI does it

        project.run("-c", BOOTSTRAP)

        schedules = {each.slug: each for each in client.read_deployment_by_name(NIGHTLY).schedules}
        kept = schedules.pop("nightly")
        [unnamed] = schedules.values()
        assert (kept.active, kept.schedule, kept.parameters) == (True, at_three, {"manifest": "/in/{date}.csv"})
        assert unnamed.schedule.cron == "0 6 * * *"


def test_the_settings_switch_schedules_when_they_change(server: Bootstrapped) -> None:
    with temporary_settings({PREFECT_API_URL: server.stack.prefect_api_url}), get_client(sync_client=True) as client:

        def is_on() -> bool:
            [schedule] = client.read_deployment_by_name(WATCH).schedules
            return bool(schedule.active)

        assert not is_on()
        switch_by_settings(client, BatchSettings(watched_folder=Path("/in")))
        assert is_on()
        deployment = client.read_deployment_by_name(WATCH)
        client.update_deployment_schedule(deployment.id, deployment.schedules[0].id, active=False)
        switch_by_settings(client, BatchSettings(watched_folder=Path("/in")))
        assert not is_on()  # a person's word holds
        switch_by_settings(client, BatchSettings())
        assert not is_on()


def test_a_limit_changed_by_a_person_stays_unless_the_setting_names_one(server: Bootstrapped) -> None:
    # A pool of its own: the others are compared by the test above.
    with temporary_settings({PREFECT_API_URL: server.stack.prefect_api_url}), get_client(sync_client=True) as client:

        def limit_after(pool: Pool) -> int | None:
            apply_pool(client, pool, PROJECT, {})
            return client.read_work_pool("theirs").concurrency_limit

        try:
            assert limit_after(Pool("theirs", "", limit=0, default_limit=2)) == 2
            httpx.patch(f"{server.stack.prefect_api_url}/work_pools/theirs", json={"concurrency_limit": 9})
            assert limit_after(Pool("theirs", "", limit=0, default_limit=2)) == 9
            assert limit_after(Pool("theirs", "", limit=4, default_limit=2)) == 4
        finally:
            client.delete_work_pool("theirs")


@pytest.mark.slow
def test_a_stock_worker_started_anywhere_runs_the_flow_in_the_project(project: Project, tmp_path: Path) -> None:
    """With `prefect deployment run`, as Prefect's users do it, and nothing but PREFECT_API_URL in the environment."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PREFECT_API_URL": project.stack.prefect_api_url,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "DO_NOT_TRACK": "1",
    }
    log_path = tmp_path / "worker.log"
    with log_path.open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "cpu"],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        argv = ("-m", "prefect", "deployment", "run", "process-asset/on-demand", "-p", "source=/x", "--watch")
        project.run(*argv, cwd=tmp_path)
    finally:
        worker.terminate()
        worker.wait(30)

    (run,) = (run for run in project.ask("/flow_runs/filter") if run["parameters"].get("source") == "/x")
    seen = (project.folder / "seen.txt").read_text("utf-8").splitlines()
    assert run["state_name"] == "Completed", log_path.read_text("utf-8")
    assert run["tags"] == ["dailies-job"]
    assert str(project.folder) in seen
    assert f"DAILIES_HOME={project.stack.home}" in seen
    assert f"DAILIES_CATALOGUE__URL={project.stack.catalogue_url}" in seen


def test_runs_get_what_was_set_but_no_secrets() -> None:
    settings = Settings(
        home=Path("/srv/var"),
        storage=StorageSettings(url="s3://bucket/dailies", secret_key="hidden"),  # type: ignore[arg-type]
        catalogue=CatalogueSettings(url="postgresql+psycopg://me:hidden@db.example/catalogue"),
        orchestration=OrchestrationSettings(cpu_slots=3),
        batch=BatchSettings(watched_folder=Path("/srv/in")),
    )

    made = run_environment(settings)

    assert made["DAILIES_HOME"] == "/srv/var"
    assert made["DAILIES_BATCH__WATCHED_FOLDER"] == "/srv/in"
    assert made["DAILIES_STORAGE__URL"] == "s3://bucket/dailies"
    assert made["DAILIES_ORCHESTRATION__CPU_SLOTS"] == "3"
    assert "hidden" not in str(made)
