"""``python -m api`` as a process of its own: where it listens, what it says, and how much memory an upload takes."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from data.database import migrate
from deployments.stack import Stack
from tests.fakes.processes import wait_until

COMMAND = [sys.executable, "-m", "api"]


def environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "DAILIES_HOME": str(home), "DAILIES_API__PORT": "0", **more}


@dataclass
class Served:
    process: subprocess.Popen[bytes]
    log: Path
    url: str


@pytest.fixture
def served(tmp_path: Path, prefect_server: Stack) -> Iterator[Served]:
    migrate(f"sqlite:///{tmp_path / 'catalogue.db'}")
    log = tmp_path / "api.log"
    variables = environment(tmp_path, PREFECT_API_URL=prefect_server.prefect_api_url)
    with log.open("w") as output:
        process = subprocess.Popen(COMMAND, env=variables, stdout=output, stderr=output)
    try:
        wait_until(lambda: "startup complete" in log.read_text() or process.poll() is not None, 90, "the API to start")
        found = re.search(r"http://127\.0\.0\.1:[1-9]\d*", log.read_text())
        assert found is not None, log.read_text()
        yield Served(process, log, found[0])
    finally:
        process.terminate()
        assert process.wait(30) in (0, -signal.SIGTERM)


@pytest.mark.slow
def test_it_says_where_it_listens_and_takes_uploads_without_holding_them_in_memory(served: Served) -> None:
    size_bytes = 256 * 2**20
    head = b"\0\0\0\x18ftypisom\0\0\2\0isommp41".ljust(2**20, b"\0")
    memory = psutil.Process(served.process.pid).memory_info
    before, most = memory().rss, 0

    def body() -> Iterator[bytes]:
        nonlocal most
        yield b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        yield head
        for _ in range(size_bytes // 2**20 - 1):
            yield bytes(2**20)
            most = max(most, memory().rss)
        yield b"\r\n--XX--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=XX"}
    answer = httpx.post(f"{served.url}/api/v1/uploads", content=body(), headers=headers, timeout=200)

    assert answer.json()["size_bytes"] == size_bytes
    assert max(most, memory().rss) - before < 64 * 2**20
    assert "Nobody needs to log in" in served.log.read_text()


def test_it_refuses_every_host_but_this_machine(tmp_path: Path) -> None:
    ended = subprocess.run(
        COMMAND,
        env=environment(tmp_path, DAILIES_API__HOST="0.0.0.0"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode != 0
    assert "127.0.0.1" in ended.stderr


def test_production_says_what_it_lacks_and_does_not_start(tmp_path: Path) -> None:
    variables = environment(tmp_path, DAILIES_MODE="production")

    ended = subprocess.run(COMMAND, env=variables, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "DAILIES_AUTH__SECRETS" in ended.stderr
    assert "Traceback" not in ended.stderr
