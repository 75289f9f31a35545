import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deployments.components import PROJECT
from tests.fakes.processes import free_ports


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def status(url: str) -> int:
    command = [sys.executable, "-I", "-S", "deployments/probe.py", url]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode


def test_it_says_whether_somebody_answers_well(address: str) -> None:
    [nobody] = free_ports(1)

    assert status(f"{address}/health") == 0
    assert status(f"{address}/other") == 1
    assert status(f"http://127.0.0.1:{nobody}/health") == 1
