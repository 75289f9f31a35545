"""What `compose.yaml` starts, started by hand: its commands in its environment, in production, each a process apart.

Only where things are differs: 127.0.0.1 and free ports instead of the names and ports of a Compose network.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis

from deployments.children import MARKER, end_marked
from deployments.components import PROJECT
from deployments.secrets import drawn_secrets
from tasks.media.tools import find_tools
from tests.conftest import WaitUntil
from tests.fakes.compose_file import FOLDER, ComposeFile, compose_file
from tests.fakes.postgres_server import PostgresServer, postgres_server
from tests.fakes.processes import free_ports
from tests.fakes.redis_server import redis_server

pytestmark = pytest.mark.slow

NAME = "video.example.com"
PASSWORD = "the long password of ada"
BASE = "/api/v1"
NO_AI = {"captions.enabled": False, "chapters.enabled": False, "poster.faces": False}
INHERITED = ("PATH", "HOME", "LANG", "DAILIES_ORCHESTRATION__NICENESS")


@dataclass
class Site:
    """The containers of a Compose file, as processes."""

    composed: ComposeFile
    home: Path
    postgres: PostgresServer
    redis_url: str
    api_port: int
    prefect_port: int
    probe_ports: dict[str, int] = field(default_factory=dict)

    def environment(self, name: str) -> dict[str, str]:
        """What a service's container gets, with the places of here."""
        here = {
            "@postgres/": f"@127.0.0.1:{self.postgres.port}/",
            "redis://valkey:6379/0": self.redis_url,
            "http://prefect:4200": f"http://127.0.0.1:{self.prefect_port}",
            "/media": str(self.home / "media"),
        }
        found = self.composed.environment(name)
        for there, place in here.items():
            found = {variable: value.replace(there, place) for variable, value in found.items()}
        places = {
            MARKER: str(self.home),
            "DAILIES_HOME": str(self.home),
            "DAILIES_API__HOST": "127.0.0.1",
            "DAILIES_API__PORT": str(self.api_port),
            "PREFECT_SERVER_API_HOST": "127.0.0.1",
            "PREFECT_SERVER_API_PORT": str(self.prefect_port),
            "PREFECT_WORKER_WEBSERVER_PORT": str(self.probe_ports.setdefault(name, free_ports(1)[0])),
        }
        kept = {variable: os.environ[variable] for variable in INHERITED if variable in os.environ}
        return {**kept, **found, **places}

    @contextmanager
    def container(self, name: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a service's command until the block is left."""
        command = [sys.executable, "-m", "deployments.service", *self.composed.services[name]["command"]]
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=PROJECT, env=self.environment(name), stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            finally:
                process.kill()

    def is_well(self, name: str) -> bool:
        """Ask as the service's health check does."""
        probe = self.composed.services[name]["healthcheck"]["test"][-1]
        ports = {"8000": self.api_port, "4200": self.prefect_port, "8080": self.probe_ports.get(name, 0)}
        url = re.sub(r":(\d+)/", lambda match: f":{ports[match[1]]}/", probe)
        command = [sys.executable, "-I", "-S", "deployments/probe.py", url]
        return subprocess.run(command, cwd=PROJECT, check=False).returncode == 0

    def log(self, name: str) -> str:
        """What a container has said."""
        return (self.home / f"{name}.log").read_text(encoding="utf-8", errors="replace")


@pytest.fixture
def site(state_home: Callable[[str], Path]) -> Iterator[Site]:
    home = state_home("composed")
    (home / "media").mkdir()
    with postgres_server() as server, redis_server(home) as redis_url:
        composed = compose_file({"SERVER_NAME": NAME, **drawn_secrets()})
        make_databases(server, composed)
        try:
            yield Site(composed, home, server, redis_url, *free_ports(2))
        finally:
            end_marked(str(home))  # what ends with a container, the fork server of warm starts among it


def make_databases(server: PostgresServer, composed: ComposeFile) -> None:
    """Do what the image of Postgres does when its volume is empty."""
    given = composed.services["postgres"]["environment"]
    user, database = given["POSTGRES_USER"], given["POSTGRES_DB"]
    made = re.findall(r"^CREATE .*;$", (FOLDER / "databases.sql").read_text(), re.MULTILINE)
    with psycopg.connect(f"postgresql://postgres@127.0.0.1:{server.port}/postgres", autocommit=True) as connection:
        for statement in [f"CREATE ROLE {user} SUPERUSER LOGIN", f"CREATE DATABASE {database}", *made]:
            connection.execute(statement.encode())


class Ada:
    """The first admin, who calls by the name of the site."""

    def __init__(self, site: Site) -> None:
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{site.api_port}", headers={"Host": NAME}, timeout=60)
        subprocess.run(
            [sys.executable, "-m", "flows", "user", "create-admin", "ada"],
            cwd=PROJECT,
            env=site.environment("api"),
            input=f"{PASSWORD}\n".encode(),
            check=True,
            capture_output=True,
        )
        form = {"grant_type": "password", "username": "ada", "password": PASSWORD}
        token = self.http.post(f"{BASE}/auth/token", data=form).raise_for_status().json()["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def submit(self, source: Path, **overrides: Any) -> str:
        """Hand in a job and return its id."""
        body = {"source": str(source), "recipe": "quick", "overrides": {**NO_AI, **overrides}}
        return str(self.http.post(f"{BASE}/jobs", json=body).raise_for_status().json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job."""
        return dict(self.http.get(f"{BASE}/jobs/{job_id}").raise_for_status().json())

    def has_ended(self, job_id: str) -> bool:
        """Say whether a job has ended."""
        return self.job(job_id)["state"] in ("succeeded", "failed", "cancelled")


def film(target: Path, seconds: int, size: str) -> Path:
    """Make a moving picture with a tone."""
    command = [find_tools().ffmpeg, "-v", "error", "-f", "lavfi", "-i", f"mandelbrot=s={size}:r=25"]
    command += ["-f", "lavfi", "-i", "sine=440", "-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast"]
    subprocess.run([*map(str, command), "-c:a", "aac", str(target)], check=True)
    return target


def test_a_job_is_published_and_a_worker_that_leaves_finishes_what_it_has(site: Site, wait_until: WaitUntil) -> None:
    with ExitStack() as running:
        running.enter_context(site.container("prefect"))
        # Nothing waits for anything: a worker and the API may be there before the bootstrap.
        worker = running.enter_context(site.container("cpu"))
        wait_until(lambda: site.is_well("prefect"), 120, "the Prefect server")
        closed = httpx.post(f"http://127.0.0.1:{site.prefect_port}/api/flow_runs/filter", json={})
        with site.container("bootstrap") as bootstrap:
            running.enter_context(site.container("api"))
            assert bootstrap.wait(120) == 0, site.log("bootstrap")
        wait_until(lambda: site.is_well("api"), 60, "the API")
        wait_until(lambda: site.is_well("cpu"), 60, "the worker")
        ada = Ada(site)
        running.callback(ada.http.close)
        stranger = httpx.get(f"{ada.http.base_url}{BASE}/jobs", headers={"Host": NAME})
        elsewhere = httpx.get(f"{ada.http.base_url}{BASE}/jobs", headers={"Host": "other.example"})

        first = ada.submit(film(site.home / "media" / "small.mp4", 2, "160x90"))
        wait_until(lambda: ada.has_ended(first), 120, "the job")
        second = ada.submit(film(site.home / "media" / "longer.mp4", 10, "640x360"), **{"video.preset": "slow"})
        wait_until(lambda: ada.job(second)["step"] == "transcode", 60, "the second job to encode")
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: "no more runs are taken here; 1 go on" in site.log("cpu"), 10, "the worker to leave")
        third = ada.submit(site.home / "media" / "small.mp4")
        left_with = worker.wait(120)

        asset = ada.http.get(f"{BASE}/assets/{ada.job(first)['asset_id']}").raise_for_status().json()
        assert closed.status_code == 401
        assert (stranger.status_code, elsewhere.status_code) == (401, 421)
        assert ada.job(first)["state"] == "succeeded", json.dumps(ada.job(first)) + site.log("cpu")
        assert asset["publication"]["urls"]["hls"]
        assert (left_with, ada.job(second)["state"], ada.job(second)["attempt"]) == (0, "succeeded", 1)
        assert ada.job(third)["state"] == "queued"
        with redis.Redis.from_url(site.redis_url) as counts:
            assert [key for key in counts.scan_iter("dailies*") if b"writes" in key], "calls are counted for all"
