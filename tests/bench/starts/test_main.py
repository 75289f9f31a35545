"""The benchmark itself, as small as it can be: told to end, it leaves nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
SMALL = ["--rounds", "1", "--queued", "1,3", "--stock-runs", "1", "--idle-seconds", "1"]


@pytest.fixture
def home(state_home: Callable[[str], Path]) -> Path:
    """Where the benchmark keeps its temporary files."""
    return state_home("starts")


@contextmanager
def started(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.starts", *SMALL, *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


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
def test_a_comparison_that_is_told_to_end_leaves_nothing(home: Path, wait_until: Callable[..., None]) -> None:
    with started(home) as comparison:
        wait_until(lambda: list(home.glob("*/log/prefect-server.log")), 120, "the Prefect server to start")

        comparison.send_signal(signal.SIGTERM)
        comparison.communicate(timeout=60)

    assert comparison.returncode == 143
    assert list(home.iterdir()) == []
    assert processes_of(home) == []
