"""Scratch directories go with their attempt, and those of killed attempts are found without clocks or pids."""

import subprocess
import sys
from pathlib import Path

import pytest

from data.settings import get_settings
from tasks.workspace import sweep_workspaces, workspace


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
