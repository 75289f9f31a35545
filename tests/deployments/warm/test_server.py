"""The fork server: renewal, idleness, and what becomes of runs when it goes."""

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from deployments.warm.fingerprint import fingerprint
from tests.deployments.warm.warm_project import ROOT, WarmProject, is_running

WaitUntil = Callable[..., None]


def test_a_changed_source_file_is_in_the_next_run_and_the_server_is_still_the_same_process(
    own_project: WarmProject,
) -> None:
    before = own_project.run("value").stdout
    servers = [server.pid for server in own_project.servers()]
    own_project.set_value(22)  # of another size: Python itself takes a change within a second for none

    after = own_project.run("value")

    assert (before, after.stdout, after.stderr) == ("1\n", "22\n", "")
    assert [server.pid for server in own_project.servers()] == servers


def test_runs_go_on_when_the_server_is_killed_and_the_next_run_starts_another(
    own_project: WarmProject, wait_until: WaitUntil
) -> None:
    with own_project.sleeping() as (launcher, pids):
        (server,) = own_project.servers()
        server.kill()
        wait_until(lambda: not server.is_running(), 10, "the server to be gone")

        assert own_project.run("value").stdout == "1\n"
        assert len(own_project.servers()) == 1
        assert is_running(pids["run"])

        launcher.send_signal(signal.SIGUSR1)
        assert launcher.wait(20) == 42


def test_a_flow_that_cannot_be_imported_breaks_its_own_run_only(own_project: WarmProject) -> None:
    (own_project.root / "flows/maintenance.py").write_text("this is no Python")

    assert own_project.run("value").stdout == "1\n"
    assert "flows.maintenance cannot be imported here" in own_project.log()


def test_stop_ends_the_server_and_not_its_runs(own_project: WarmProject) -> None:
    with own_project.sleeping() as (launcher, pids):
        status, stopped, none = (own_project.tool(verb) for verb in ("status", "stop", "status"))

        assert own_project.environment["PREFECT__FLOW_RUN_ID"] in status.stdout
        assert (status.returncode, stopped.returncode, none.returncode) == (0, 0, 3), stopped.stderr
        assert own_project.servers() == []
        assert is_running(pids["run"])
        assert not list(own_project.directory.glob("*.sock"))

        launcher.send_signal(signal.SIGTERM)
        assert launcher.wait(20) == -signal.SIGTERM
        assert not is_running(pids["child"])


def test_start_prepares_the_server_that_runs_with_the_same_settings_use(own_project: WarmProject) -> None:
    started = own_project.tool("start")
    (server,) = own_project.servers()
    worker = {name: value for name, value in server.environ().items() if name.startswith("PREFECT_")}

    assert started.returncode == 0, started.stderr
    assert own_project.run("value", variables=worker).stdout == "1\n"
    assert own_project.servers() == [server]


def test_an_idle_server_ends_and_leaves_no_file(own_project: WarmProject, wait_until: WaitUntil) -> None:
    starting = own_project.root / "deployments/warm/starting.py"
    starting.write_text(starting.read_text().replace("IDLE_SECONDS = 900.0", "IDLE_SECONDS = 0.1"))
    assert own_project.run("value").stdout == "1\n"

    wait_until(lambda: not own_project.servers(), 30, "the idle server to end")

    assert list(own_project.directory.iterdir()) == []


def test_what_killed_servers_leave_does_not_count_as_servers(own_project: WarmProject) -> None:
    for number in range(6):
        assert own_project.run("value", variables={"PREFECT_TASKS_DEFAULT_RETRIES": str(number)}).stderr == ""
        for server in own_project.servers():
            server.kill()


def test_there_are_only_so_many_servers_for_a_project(own_project: WarmProject) -> None:
    runs = [own_project.run("value", variables={"PREFECT_TASKS_DEFAULT_RETRIES": str(n)}) for n in range(6)]

    assert [run.stdout for run in runs] == ["1\n"] * 6
    assert "fork servers run for other settings already" in runs[-1].stderr
    assert len(own_project.servers()) == 4


def test_a_server_whose_socket_was_removed_ends(own_project: WarmProject, wait_until: WaitUntil) -> None:
    assert own_project.run("value").stdout == "1\n"
    (server,) = own_project.servers()
    next(own_project.directory.glob("*.sock")).unlink()

    wait_until(lambda: not server.is_running(), 30, "the unreachable server to end")


def test_the_server_has_one_thread_and_belongs_to_nobody(project: WarmProject) -> None:
    project.run("exit", "0")
    (server,) = project.servers()

    assert server.num_threads() == 1
    assert server.ppid() != psutil.Process().pid
    assert "PREFECT__FLOW_RUN_ID" not in server.environ()


@pytest.mark.parametrize("change", ["flows/new.py", "data/recipes/more.yaml", "requirements.lock", ".env"])
def test_the_fingerprint_changes_with_code_recipes_locks_and_settings(tmp_path: Path, change: str) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "data/recipes").mkdir(parents=True)
    before = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("not code")
    assert fingerprint(tmp_path) == before

    (tmp_path / change).write_text("one: 1")

    assert fingerprint(tmp_path) != before


def test_the_fingerprint_changes_with_prefects_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    before = fingerprint(tmp_path)

    (tmp_path / "profiles.toml").write_text('active = "mine"')

    assert fingerprint(tmp_path) != before


def test_the_fingerprint_of_this_project_covers_what_runs_import() -> None:
    paths = {path for path, _, _ in fingerprint(ROOT)}

    assert {str(ROOT / name) for name in ("flows/process_asset.py", "tasks/policies.py", "data/settings.py")} <= paths
