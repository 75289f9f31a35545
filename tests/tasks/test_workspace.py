"""Scratch directories go with their attempt, and those of killed attempts are found without clocks or pids."""

import subprocess
import sys
from pathlib import Path

import pytest

from data.domain.errors import DiskFullError
from data.settings import get_settings
from tasks.workspace import sweep_workspaces, workspace
from tests.fakes.file_systems import filled, small_file_system


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DAILIES_HOME", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def test_a_workspace_is_gone_after_the_work(home: Path) -> None:
    with workspace() as scratch:
        (scratch / "file").write_text("x")

    assert list((home / "scratch").iterdir()) == []


def test_a_workspace_is_gone_after_a_failure(home: Path) -> None:
    with pytest.raises(ZeroDivisionError), workspace():
        raise ZeroDivisionError

    assert list((home / "scratch").iterdir()) == []


def test_no_space_for_scratch_is_a_typed_failure_that_is_tried_again(home: Path) -> None:
    with pytest.raises(DiskFullError) as caught, workspace(), Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")

    assert caught.value.retryable
    assert list((home / "scratch").iterdir()) == []


def test_no_space_for_the_directory_itself_is_the_same_failure(home: Path) -> None:
    with small_file_system(home / "scratch") as is_mounted:
        if not is_mounted:
            pytest.skip("a file system can be filled only where one may be mounted (root)")
        with filled(home / "scratch"), pytest.raises(DiskFullError), workspace():
            pytest.fail("there is no space")


def test_a_sweep_leaves_a_workspace_in_use(home: Path) -> None:
    with workspace() as scratch:
        assert sweep_workspaces(home / "scratch") == []
        assert scratch.is_dir()


def test_a_sweep_removes_the_workspace_of_a_killed_process(home: Path) -> None:
    code = "\n".join(
        (
            "import os, signal",
            "from tasks.workspace import workspace",
            "with workspace(): os.kill(os.getpid(), signal.SIGKILL)",
        )
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False)

    swept = sweep_workspaces(home / "scratch")

    assert killed.returncode == -9
    assert len(swept) == 1
    assert list((home / "scratch").iterdir()) == []
