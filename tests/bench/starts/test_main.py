"""The benchmark itself, as small as it can be: it comes to its end and leaves nothing, however it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
SMALL = ["--rounds", "1", "--queued", "1,3", "--stock-runs", "1", "--idle-seconds", "1"]


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench.starts", *SMALL, *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )


def processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes that have the directory in their environment or command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(home) in text for text in (*process.cmdline(), *process.environ().values())):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
def test_the_comparison_comes_to_its_end_and_leaves_nothing(state_home: Callable[[str], Path], tmp_path: Path) -> None:
    home = state_home("bench")
    figures = tmp_path / "figures.json"

    output, _ = start(home, "--json", str(figures)).communicate(timeout=280)

    measured = json.loads(figures.read_text())
    assert [(burst["kind"], burst["count"]) for burst in measured["bursts"]] == [("warm", 1), ("stock", 1), ("warm", 3)]
    assert {burst["lost"] for burst in measured["bursts"]} == {0}
    assert "trigger to RUNNING, stock / warm" in output
    assert list(home.iterdir()) == []
    assert processes_of(home) == []


@pytest.mark.slow
def test_a_comparison_that_is_told_to_end_leaves_nothing(
    state_home: Callable[[str], Path], wait_until: Callable[..., None]
) -> None:
    home = state_home("bench")
    comparison = start(home)
    wait_until(lambda: list(home.glob("*/dailies-warm-*/*.sock")), 120, "the fork server of the first run")

    comparison.send_signal(signal.SIGTERM)
    comparison.communicate(timeout=60)

    assert comparison.returncode == 143
    assert list(home.iterdir()) == []
    assert processes_of(home) == []
