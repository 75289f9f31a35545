"""The launcher in the place of the ordinary command: what a worker, and the run, see of it."""

import os
import signal
import subprocess
from collections.abc import Callable

import psutil
import pytest

from tests.deployments.warm.warm_project import WarmProject, is_running

ORDINARY = "The ordinary command is used"


def test_a_run_gets_the_launchers_environment_directory_umask_arguments_and_streams(project: WarmProject) -> None:
    path = project.runtime / "look.json"
    variables = {"SOME_VARIABLE": "ümläut\n= two lines", "PREFECT__DEPLOYMENT_NAME": "night"}

    done = project.run("look", str(path), "--more", variables=variables, stdin="from stdin", umask=0o027)

    seen = project.note(path)
    assert seen["environment"] == project.environment | variables
    assert seen["argv"] == [str(project.root / "program.py"), "look", str(path), "--more"]
    assert (seen["cwd"], seen["first_path"]) == (str(project.root), str(project.root))
    assert (seen["umask"], seen["stdin"], seen["name"]) == (0o027, "from stdin", "__main__")
    assert (done.stdout, done.stderr, done.returncode) == ("to stdout\n", "to stderr\n", 0)
    assert seen["session"] == seen["run"]


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_exit_codes_pass(project: WarmProject, code: int) -> None:
    assert project.run("exit", str(code)).returncode == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_run_that_dies_by_a_signal_makes_the_launcher_die_by_it(project: WarmProject, number: signal.Signals) -> None:
    assert project.run("kill", str(int(number))).returncode == -number


def test_an_unhandled_error_is_on_stderr_and_ends_with_one(project: WarmProject) -> None:
    done = project.run("raise")

    assert done.returncode == 1
    assert "ValueError: on purpose" in done.stderr


def test_what_a_run_writes_at_its_end_is_not_lost(project: WarmProject) -> None:
    done = project.run("write-late")

    assert done.stdout.splitlines() == ["at once", "from a thread", "at exit"]
    assert done.returncode == 0


def test_signals_reach_the_run(project: WarmProject) -> None:
    with project.sleeping() as (launcher, _):
        launcher.send_signal(signal.SIGUSR1)

        assert launcher.wait(20) == 42


def test_term_ends_the_run_and_the_encoder_that_it_started(
    project: WarmProject, wait_until: Callable[..., None]
) -> None:
    with project.sleeping() as (launcher, pids):
        launcher.send_signal(signal.SIGTERM)

        assert launcher.wait(20) == -signal.SIGTERM
        assert not is_running(pids["run"])
        assert not is_running(pids["child"])


@pytest.mark.slow
def test_a_run_that_ignores_term_is_killed_within_ten_seconds(project: WarmProject) -> None:
    with project.sleeping("stubborn") as (launcher, pids):
        launcher.send_signal(signal.SIGTERM)

        assert launcher.wait(15) == -signal.SIGKILL
        assert not is_running(pids["child"])


def test_a_killed_launcher_takes_the_run_and_its_encoder_along(
    project: WarmProject, wait_until: Callable[..., None]
) -> None:
    with project.sleeping() as (launcher, pids):
        launcher.kill()

        wait_until(lambda: not any(map(is_running, pids.values())), 20, "the run and its child to end")


def test_a_killed_run_is_reported_at_once_and_leaves_nothing(project: WarmProject) -> None:
    with project.sleeping() as (launcher, pids):
        os.kill(pids["run"], signal.SIGKILL)

        # To the end of its output, too: nobody who is left holds the pipe.
        output, _ = launcher.communicate(timeout=20)
        assert launcher.returncode == -signal.SIGKILL, output
        assert not is_running(pids["child"])


def test_a_killed_keeper_takes_the_run_along(project: WarmProject, wait_until: Callable[..., None]) -> None:
    with project.sleeping() as (launcher, pids):
        keeper = next(
            child.ppid()
            for server in project.servers()
            for child in server.children(recursive=True)
            if child.pid == pids["run"]
        )
        os.kill(keeper, signal.SIGKILL)

        assert launcher.wait(20) == -signal.SIGKILL
        wait_until(lambda: not is_running(pids["run"]), 10, "the run to end with its keeper")


def test_what_a_run_leaves_behind_is_ended_unless_it_serves_others(project: WarmProject) -> None:
    path = project.runtime / "leave.json"
    done = project.run("leave", str(path))

    pids = project.note(path)
    try:
        assert done.returncode == 0
        assert not is_running(pids["child"])
        assert is_running(pids["resident"])
    finally:
        os.kill(pids["resident"], signal.SIGKILL)


def test_twenty_runs_at_once_all_come_through_and_share_no_randomness(project: WarmProject) -> None:
    launchers = [project.start("random") for _ in range(20)]

    outputs = [launcher.communicate(timeout=120)[0] for launcher in launchers]

    assert [launcher.returncode for launcher in launchers] == [0] * 20
    assert len({value for output in outputs for value in output.split()}) == 60
    assert len(project.servers()) == 1


def test_a_run_looks_to_others_like_the_program_it_is(project: WarmProject) -> None:
    with project.sleeping() as (_, pids):
        run = psutil.Process(pids["run"])

        assert run.cmdline()[1:4] == ["-m", "program", "sleep"]
        assert run.environ()["PREFECT__FLOW_RUN_ID"] == project.environment["PREFECT__FLOW_RUN_ID"]
        assert run.environ()["DAILIES_HOME"] == str(project.root)


def test_runs_with_other_settings_get_a_server_of_their_own(own_project: WarmProject) -> None:
    assert own_project.run("value").returncode == 0
    assert own_project.run("value", variables={"PREFECT_TASKS_DEFAULT_RETRIES": "3"}).returncode == 0
    assert own_project.run("value", variables={"PREFECT__FLOW_RUN_ID": "another"}).returncode == 0
    assert own_project.run("value", variables={"PREFECT_WORKER_QUERY_SECONDS": "3"}).returncode == 0

    assert len(own_project.servers()) == 2


def test_the_first_runs_start_one_server_together(own_project: WarmProject) -> None:
    launchers = [own_project.start("value") for _ in range(8)]

    outputs = [launcher.communicate(timeout=120)[0] for launcher in launchers]

    assert outputs == ["1\n"] * 8
    assert len(own_project.servers()) == 1


def test_a_run_somewhere_else_uses_the_ordinary_command_and_says_so(own_project: WarmProject) -> None:
    variables = {"PYTHONPATH": str(own_project.root)}
    first, second = (own_project.run("value", cwd=own_project.runtime, variables=variables) for _ in range(2))

    assert first.stdout == second.stdout == "1\n"
    assert ORDINARY in first.stderr
    assert second.stderr == ""
    assert own_project.servers() == []


def test_a_server_that_cannot_start_leaves_runs_to_the_ordinary_command_and_is_said_once(
    own_project: WarmProject,
) -> None:
    broken = own_project.root / "deployments/warm/server.py"
    source = broken.read_text()
    broken.write_text("raise RuntimeError('broken on purpose')\n")

    first, second = own_project.run("exit", "7"), own_project.run("exit", "8")

    assert (first.returncode, second.returncode) == (7, 8)
    assert ORDINARY in first.stderr
    assert "broken on purpose" in own_project.log()
    assert second.stderr == ""

    broken.write_text(source)
    for note in own_project.directory.glob("*.failed"):  # as a minute later
        os.utime(note, (0, 0))
    assert own_project.run("exit", "9").returncode == 9
    assert len(own_project.servers()) == 1


def test_the_directory_of_the_sockets_is_private(project: WarmProject) -> None:
    project.run("exit", "0")

    assert project.directory.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in project.directory.glob("*.sock"))


def test_a_directory_that_others_can_enter_is_not_used(own_project: WarmProject) -> None:
    own_project.directory.mkdir()
    own_project.directory.chmod(0o755)

    done = own_project.run("value")

    assert (done.stdout, done.returncode) == ("1\n", 0)
    assert "not a directory that is private" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_another_user_is_refused_even_where_permissions_let_him_in(own_project: WarmProject) -> None:
    own_project.run("exit", "0")
    own_project.directory.chmod(0o711)
    path = next(own_project.directory.glob("*.sock"))
    path.chmod(0o666)
    client = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r}); print(s.recv(100))"

    done = subprocess.run(
        ["/usr/bin/env", "python3", "-c", client], user=65534, capture_output=True, text=True, cwd="/"
    )

    assert "no user 65534" in done.stdout, done.stderr
