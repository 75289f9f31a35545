"""``python -m api`` as it is put behind a public address: in production, two processes, a Prefect with a password."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient

from data.database import migrate
from deployments.environment import isolated
from deployments.stack import Stack
from tests.conftest import WaitUntil
from tests.fakes.deployments import register
from tests.fakes.postgres_server import postgres_server
from tests.fakes.processes import free_ports

pytestmark = pytest.mark.slow

BASE = "/api/v1"
PREFECT_PASSWORD = "admin:not for everybody"
STOP_SECONDS = 3
PROJECT = Path(__file__).parents[2]


def password_of(name: str) -> str:
    return f"the long password of {name}"


@dataclass
class Site:
    """One installation; its API is started and stopped by the tests."""

    home: Path
    url: str
    environment: dict[str, str]

    @contextmanager
    def serving(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Serve the API until the block is left."""
        log = self.home / "api.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "api"],
                env={**self.environment, **more},
                cwd=PROJECT,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS + 20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def command(self, *arguments: str, stdin: str = "") -> str:
        """Run a command line of ours, and return what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "flows", *arguments],
            env=self.environment,
            cwd=PROJECT,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def call(self, method: str, path: str, token: str = "", **arguments: Any) -> httpx.Response:
        """Make one call on a connection of its own."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=60, **arguments)

    def log_in(self, name: str) -> str:
        """Return an access token."""
        form = {"grant_type": "password", "username": name, "password": password_of(name)}
        return str(self.call("POST", f"{BASE}/auth/token", data=form).raise_for_status().json()["access_token"])

    def is_up(self) -> bool:
        """Say whether the API answers."""
        try:
            return self.call("GET", f"{BASE}/health").is_success
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def locked_prefect(state_home: Callable[[str], Path]) -> Iterator[Stack]:
    """A Prefect server that answers nobody without its password."""
    environment = {**isolated(), "PREFECT_SERVER_API_AUTH_STRING": PREFECT_PASSWORD}
    with Stack(state_home("locked"), components=("server",), minimal=True, environment=environment) as running:
        with SyncPrefectClient(running.prefect_api_url, auth_string=PREFECT_PASSWORD) as client:
            register(client)
        yield running


@pytest.fixture(scope="module")
def catalogue() -> Iterator[str]:
    """The address of a catalogue on Postgres."""
    with postgres_server() as server:
        url = server.create_database()
        migrate(url)
        yield url


@pytest.fixture(scope="module")
def site(locked_prefect: Stack, catalogue: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    home = tmp_path_factory.mktemp("site")
    (home / "media").mkdir()
    (home / "media" / "clip.mp4").write_bytes(b"0")
    [port] = free_ports(1)
    return Site(
        home,
        f"http://127.0.0.1:{port}",
        {
            **os.environ,
            **isolated(),
            "PYTHONPATH": str(PROJECT),
            "PREFECT_API_URL": locked_prefect.prefect_api_url,
            "PREFECT_API_AUTH_STRING": PREFECT_PASSWORD,
            "DAILIES_MODE": "production",
            "DAILIES_HOME": str(home),
            "DAILIES_CATALOGUE__URL": catalogue,
            "DAILIES_AUTH__SECRETS": json.dumps([secrets.token_urlsafe(48)]),
            "DAILIES_AUDIT__KEY": secrets.token_urlsafe(48),
            "DAILIES_INGEST__ALLOWED_ROOTS": json.dumps([str(home / "media")]),
            "DAILIES_API__PORT": str(port),
            "DAILIES_API__PUBLIC_URL": f"http://127.0.0.1:{port}",
            "DAILIES_API__WORKERS": "2",
            "DAILIES_LIMITS__FAILURES": "100000/minute",  # a test asks with a revoked key until all refuse it
            "DAILIES_API__STOP_SECONDS": str(STOP_SECONDS),
            "DAILIES_LIMITS__AUTH": "1000/minute",
        },
    )


@pytest.fixture(scope="module")
def served(site: Site, wait_until: WaitUntil) -> Iterator[Site]:
    with site.serving() as process:
        wait_until(lambda: site.is_up() or process.poll() is not None, 90, "the API to start")
        assert process.poll() is None, (site.home / "api.log").read_text()
        yield site


@pytest.fixture(scope="module")
def admin(served: Site) -> str:
    """A token of the first admin, whom the command line has made."""
    served.command("user", "create-admin", "ada", stdin=f"{password_of('ada')}\n")
    return served.log_in("ada")


@pytest.fixture(scope="module")
def member(served: Site, admin: str) -> Callable[[str, str], str]:
    """Return a function that has the admin make a user of a role, and returns their token."""

    def made(name: str, role: str) -> str:
        body = {"name": name, "password": password_of(name), "role": role}
        served.call("POST", f"{BASE}/users", admin, json=body).raise_for_status()
        return served.log_in(name)

    return made


Member = Callable[[str, str], str]


def test_an_operator_works_with_a_key_and_sees_their_own_alone(served: Site, member: Member) -> None:
    operator, other, viewer = member("olga", "operator"), member("otto", "operator"), member("vera", "viewer")
    drawn = served.call("POST", f"{BASE}/api-keys", operator, json={"name": "nightly"}).json()
    body = {"source": str(served.home / "media" / "clip.mp4")}

    job = served.call("POST", f"{BASE}/jobs", drawn["key"], json=body)
    assert job.status_code == 202, job.text
    address = f"{BASE}/jobs/{job.json()['id']}"

    listed = served.call("GET", f"{BASE}/jobs", drawn["key"]).json()["items"]
    assert [each["id"] for each in listed] == [job.json()["id"]]
    assert served.call("GET", address, drawn["key"]).json()["state"] == "queued"
    assert served.call("GET", f"{address}/logs", operator).json()["items"] == []
    assert served.call("GET", address, other).status_code == 404
    assert served.call("GET", address).status_code == 401
    assert served.call("POST", f"{BASE}/jobs", viewer, json=body).status_code == 403
    assert served.call("GET", f"{BASE}/jobs", viewer).json()["items"] == []


def test_a_key_that_was_revoked_is_refused_by_both_processes(
    served: Site, member: Member, wait_until: WaitUntil
) -> None:
    operator = member("oleg", "operator")
    drawn = served.call("POST", f"{BASE}/api-keys", operator, json={"name": "lost"}).json()
    assert served.call("GET", f"{BASE}/jobs", drawn["key"]).status_code == 200

    assert served.call("DELETE", f"{BASE}/api-keys/{drawn['id']}", operator).status_code == 204

    def refusals() -> list[bool]:
        with ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(served.call, "GET", f"{BASE}/jobs", drawn["key"]) for _ in range(8)]
            return [each.result().status_code == 401 for each in calls]

    wait_until(lambda: all(refusals()), 20, "every process to know of it")


def test_one_scrape_adds_up_both_processes(served: Site, admin: str) -> None:
    def counted() -> float:
        text = served.call("GET", f"{BASE}/metrics", admin).text
        found = re.findall(r'^dailies_http_requests_total\{[^}]*route="/api/v1/health"[^}]*\} (\S+)$', text, re.M)
        return sum(map(float, found))

    before = counted()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: served.call("GET", f"{BASE}/health").raise_for_status(), range(64)))

    shares = [path.name for path in (served.home / "metrics").glob("*/counter_*.db")]
    assert len(shares) >= 2
    assert {counted() - before for _ in range(12)} == {64}


def test_the_audit_has_it_all_and_is_whole(served: Site, admin: str) -> None:
    checked = served.call("GET", f"{BASE}/audit/verify", admin).json()
    listed = served.call("GET", f"{BASE}/audit", admin, params={"limit": 200}).json()["items"]

    assert checked["ok"]
    assert f"{BASE}/auth/token" in {entry["route"] for entry in listed}


def test_after_a_change_of_secrets_it_takes_older_tokens_and_stops_in_time_with_a_stream_and_an_upload_under_way(
    site: Site, wait_until: WaitUntil, served: Site, admin: str
) -> None:
    [port] = free_ports(1)
    again = Site(site.home, f"http://127.0.0.1:{port}", {**site.environment, "DAILIES_API__PORT": str(port)})
    older = json.loads(site.environment["DAILIES_AUTH__SECRETS"])
    with (
        again.serving(DAILIES_AUTH__SECRETS=json.dumps([secrets.token_urlsafe(48), *older])) as process,
        ExitStack() as closing,
    ):
        wait_until(again.is_up, 90, "the API to start")
        assert again.call("GET", f"{BASE}/auth/me", admin).json()["name"] == "ada"
        job = again.call("POST", f"{BASE}/jobs", admin, json={"prompt": "a rabbit"}).json()
        stream = Listening(again, f"{BASE}/jobs/{job['id']}/stream", admin)
        closing.enter_context(begin_upload(again, admin))
        wait_until(lambda: stream.has("event: state"), 20, "the stream to begin")
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 2

        process.terminate()

        assert process.wait(STOP_SECONDS + 15) in (0, -signal.SIGTERM)
        _, left = psutil.wait_procs(family, 10)  # Python's own tracker of resources ends just after its parent
        assert not left
        stream.thread.join(10)
        assert stream.has("event: reconnect")


class Listening:
    """Listens to a stream in a thread, until it ends."""

    def __init__(self, site: Site, path: str, token: str) -> None:
        self._lines: list[str] = []
        self._arguments = (f"{site.url}{path}", {"Authorization": f"Bearer {token}"})
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def has(self, line: str) -> bool:
        """Say whether a line has come."""
        return line in self._lines

    def _listen(self) -> None:
        url, headers = self._arguments
        with suppress(httpx.TransportError), httpx.stream("GET", url, headers=headers, timeout=60) as answer:
            for line in answer.iter_lines():
                self._lines.append(line)


def begin_upload(site: Site, token: str) -> socket.socket:
    """Begin an upload that never gets further."""
    url = httpx.URL(site.url)
    connection = socket.create_connection((url.host, url.port or 80), timeout=10)
    head = (
        f"POST {BASE}/uploads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: 1000000\r\n\r\n"
        '--XX\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    )
    connection.sendall(head.encode() + bytes(1000))
    return connection
