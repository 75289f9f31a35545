"""Several processes count for themselves; whichever is scraped shows the sum."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.metrics.sharing import VARIABLE, share_metrics

COUNT = """
import os, sys
from api.metrics.counters import IN_FLIGHT, REQUESTS, count_request
count_request("GET", "/a", 200, 0.01)
IN_FLIGHT.inc()
if len(sys.argv) > 1:
    from prometheus_client import generate_latest
    from api.metrics.exposition import counted
    sys.stdout.buffer.write(generate_latest(counted()))
sys.stdout.flush()
os._exit(0)  # killed: nothing is tidied up
"""


def count(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, VARIABLE: str(folder)}
    command = [sys.executable, "-W", "ignore", "-c", COUNT, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_what_processescounted_is_added_up_and_the_dead_have_nothing_under_way(tmp_path: Path) -> None:
    count(tmp_path)
    count(tmp_path)

    shown = count(tmp_path, "show")

    assert 'dailies_http_requests_total{method="GET",route="/a",status="200"} 3.0' in shown
    assert "dailies_http_requests_in_flight 1.0" in shown


def test_folders_of_servers_that_are_gone_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "another's")  # and what is set from here on is gone after the test
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "metrics" / str(gone.pid)).mkdir(parents=True)

    own = share_metrics(tmp_path)

    assert os.environ[VARIABLE] == str(own)
    assert [each.name for each in (tmp_path / "metrics").iterdir()] == [str(os.getpid())]
