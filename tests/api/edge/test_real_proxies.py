"""A real NGINX and a real HAProxy, with the configurations that we ship, in front of a real API."""

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from prefect.client.schemas.objects import State, StateType
from pydantic import SecretStr

from data.database import Database
from data.domain.identity import Role
from data.domain.publications import PublicationManifest
from data.domain.recipes import Recipe
from data.settings import ApiSettings, AuthSettings, Settings
from data.storage import ObjectStore
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.api.callers import Person, person
from tests.api.conftest import ROOMY, Prefect, ServeApi
from tests.api.publishing import publish_video
from tests.fakes.processes import wait_until
from tests.fakes.proxies import NAME, Proxy, haproxy, nginx

pytestmark = pytest.mark.slow

TRACE = "0af7651916cd43dd8448eb211c80319c"
UPLOAD_BYTES = 8 * 2**20
MOST_BYTES = 12 * 2**20
LIES = {
    "X-Forwarded-For": "192.0.2.66",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Prefix": "/evil",
    "X-Real-IP": "192.0.2.66",
    "Forwarded": "for=192.0.2.66;proto=http;host=evil.example",
}
KINDS = {"nginx": "127.0.0.7", "nginx below a path": "127.0.0.9", "haproxy": "127.0.0.11"}
"""Each is called from another address, so that what counts by address is apart."""


@pytest.fixture(scope="module")
def own(settings: Settings, database: Database) -> Settings:
    """An API that trusts this machine's usual address alone: its callers come from others."""
    api = ApiSettings(
        max_upload_bytes=MOST_BYTES,
        read_cache_seconds=0,
        trusted_proxies=["127.0.0.1/32"],  # type: ignore[list-item]
        allowed_hosts=[NAME],
    )
    auth = AuthSettings(required=True, secrets=[SecretStr("0123456789abcdef" * 3)])
    limits = ROOMY.model_copy(update={"failures": "6/minute"})
    return settings.model_copy(update={"api": api, "auth": auth, "limits": limits})


@pytest.fixture(scope="module")
def api_port(serve_api: ServeApi, own: Settings, prefect_server: Stack, prefect: Prefect) -> int:
    return int(serve_api(own, prefect_server.prefect_api_url).rpartition(":")[2])


@pytest.fixture(scope="module", params=list(KINDS))
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, api_port: int) -> Iterator[Proxy]:
    program = request.param.split()[0]
    if not (shutil.which(program) and shutil.which("openssl")):
        pytest.skip(f"needs {program} and openssl: apt-get install {program.replace('nginx', 'nginx-light')} openssl")
    home = tmp_path_factory.mktemp("proxy")
    with ExitStack() as exits:
        if program == "haproxy":
            yield exits.enter_context(haproxy(home, api_port))
        else:
            yield exits.enter_context(nginx(home, api_port, below_a_path=" " in request.param))


@pytest.fixture
def address(proxy: Proxy, request: pytest.FixtureRequest) -> str:
    return KINDS[request.node.callspec.params["proxy"]]


@pytest.fixture
def admin(proxy: Proxy, database: Database) -> Person:
    with proxy.caller() as client:
        return person(client, database, "behind-proxies", Role.ADMIN)


@pytest.fixture
def api(proxy: Proxy, admin: Person, address: str) -> Iterator[httpx.Client]:
    with proxy.caller(address, **admin.headers) as client:
        yield client


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, store: ObjectStore, database: Database) -> PublicationManifest:
    scratch = tmp_path_factory.mktemp("video")
    source = scratch / "source.mp4"
    command = [str(find_tools().ffmpeg), "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=12", "-t", "1"]
    subprocess.run([*command, "-pix_fmt", "yuv420p", str(source)], check=True)
    recipe = Recipe().with_overrides({"video.preset": "ultrafast"})
    return publish_video(source, scratch, store, database, title="Bars", recipe=recipe)


def submit(api: httpx.Client, media_folder: Path, **headers: str) -> httpx.Response:
    answer = api.post("/api/v1/jobs", json={"source": str(media_folder / f"{uuid.uuid4()}.mp4")}, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer


def test_who_calls_is_who_called_the_proxy_whatever_they_say(
    api: httpx.Client, proxy: Proxy, address: str, media_folder: Path
) -> None:
    trace = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-ID": "night-7"}

    answer = submit(api, media_folder, **LIES, **trace)
    [entry] = api.get("/api/v1/audit", params={"resource": answer.json()["id"], "kind": "access"}).json()["items"]
    docs = api.get("/api/v1/openapi.json")

    assert (entry["address"], entry["request_id"], entry["trace_id"]) == (address, "night-7", TRACE)
    assert answer.headers["X-Request-ID"] == "night-7"
    assert answer.headers["Location"] == f"{proxy.prefix}/api/v1/jobs/{answer.json()['id']}"
    assert "Strict-Transport-Security" in answer.headers, "the API knows that it was called by https"
    assert docs.headers["X-Request-ID"]
    assert docs.json()["servers"][0]["url"] == (proxy.prefix or "/")
    assert api.get("/docs").status_code == 200


def test_nobody_gets_around_a_limit_by_an_invented_address(proxy: Proxy, address: str) -> None:
    guesser, neighbour = (f"{address.rpartition('.')[0]}.{100 + each}" for each in _apart(address))
    guesses = []
    with proxy.caller(guesser) as client:
        for number in range(8):
            lies = {"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"}
            guess = {"Authorization": "Bearer guessed", **lies, "X-Real-IP": f"192.0.2.{number}"}
            guesses.append(client.get("/api/v1/jobs", headers=guess).status_code)
    with proxy.caller(neighbour, Authorization="Bearer guessed") as client:
        other = client.get("/api/v1/jobs").status_code

    assert guesses == [401] * 6 + [429] * 2
    assert other == 401


def test_events_come_as_they_happen(api: httpx.Client, proxy: Proxy, media_folder: Path, prefect: Prefect) -> None:
    job = submit(api, media_folder).json()["id"]

    with api.stream("GET", f"/api/v1/jobs/{job}/stream") as answer:
        lines = answer.iter_lines()
        _hear(lines, '"queued"')
        prefect.start(job)  # only now: what is held back is never heard
        _hear(lines, '"running"')
        prefect.force(job, State(type=StateType.CANCELLED))
        _hear(lines, '"cancelled"')


def test_an_upload_goes_through_as_it_comes(api: httpx.Client, own: Settings) -> None:
    known = set(own.scratch_path.glob("upload-*"))

    def has_arrived() -> bool:
        return any(file.stat().st_size > 2**20 for file in _arriving(own, known))

    answer = api.post("/api/v1/uploads", content=_form(UPLOAD_BYTES, has_arrived), headers=_FORM)

    assert answer.status_code == 201, answer.text
    assert answer.json()["size_bytes"] == UPLOAD_BYTES


def test_what_is_too_large_is_refused_with_the_apis_own_words(api: httpx.Client) -> None:
    upload = api.post("/api/v1/uploads", content=b"".join(_form(MOST_BYTES + 2**20)), headers=_FORM)
    body = api.post(
        "/api/v1/jobs", content=b"[" + b" " * 1_100_000 + b"]", headers={"Content-Type": "application/json"}
    )
    headers = api.get("/api/v1/jobs", headers={f"X-{number}": "y" for number in range(101)})

    assert (upload.status_code, upload.json()["code"]) == (413, "DATA.INPUT.TOO_LARGE")
    assert (body.status_code, body.json()["code"]) == (413, "DATA.INPUT.TOO_LARGE")
    assert headers.status_code in (400, 431), "the proxy's word, or ours"


def test_playback_goes_by_ranges_and_below_the_path(
    api: httpx.Client, proxy: Proxy, video: PublicationManifest, store: ObjectStore
) -> None:
    playback = api.get(f"/media/{video.asset_id}").json()["publication"]["urls"]
    # Where a browser would go: from the page's address to the master playlist, and from that to another.
    master = api.get(urljoin(proxy.url, playback["hls"]))
    named = next(line for line in master.text.splitlines() if line and not line.startswith("#"))
    playlist = api.get(urljoin(str(master.url), named))
    file = urljoin(proxy.url, playback["mp4"])
    part = api.get(file, headers={"Range": "bytes=100-299"})
    known = api.get(file, headers={"If-None-Match": part.headers["ETag"]})

    assert (part.status_code, part.content) == (206, store.get_bytes(f"{video.prefix}video.mp4")[100:300])
    assert (known.status_code, known.content) == (304, b"")
    assert str(playlist.url).startswith(f"{proxy.url}/media/")
    assert playlist.text.startswith("#EXTM3U")


def test_what_the_caller_has_is_not_sent_again_also_where_the_proxy_compresses(
    api: httpx.Client, proxy: Proxy, media_folder: Path
) -> None:
    job = f"/api/v1/jobs/{submit(api, media_folder).json()['id']}"
    had = {path: api.get(path).headers["ETag"] for path in (job, "/api/v1/openapi.json")}

    again = {path: api.get(path, headers={"If-None-Match": etag}).status_code for path, etag in had.items()}
    refused = api.post(f"{job}/cancel", headers={"If-Match": '"another"'}).status_code
    cancelled = api.post(f"{job}/cancel", headers={"If-Match": had[job]}).status_code

    assert set(again.values()) == {304}
    assert (refused, cancelled) == (412, 202)


def test_a_path_arrives_as_it_was_written(api: httpx.Client) -> None:
    assert api.get("/api/v1/jobs/a%2520b%3Bc").json()["instance"].endswith("/api/v1/jobs/a%20b;c")


def test_a_call_without_tls_is_led_to_it(proxy: Proxy) -> None:
    if proxy.prefix:
        pytest.skip("the site's own matter")

    answer = httpx.post(f"http://127.0.0.1:{proxy.plain_port}/api/v1/jobs", headers={"Host": NAME})

    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{NAME}/api/v1/jobs")


def _apart(address: str) -> tuple[int, int]:
    """Return what ends two addresses that nothing else calls from."""
    last = int(address.rpartition(".")[2])
    return last, last + 1


_FORM = {"Content-Type": "multipart/form-data; boundary=XX"}


def _form(size_bytes: int, has_arrived: Callable[[], bool] | None = None) -> Iterator[bytes]:
    """Give a form with a file; half of it only once some of the first half has arrived."""
    yield b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    yield b"\0\0\0\x18ftypisom\0\0\2\0isommp41".ljust(size_bytes // 2, b"\0")
    if has_arrived is not None:
        wait_until(has_arrived, 15, "the first half of the file to arrive")
    yield bytes(size_bytes - size_bytes // 2)
    yield b"\r\n--XX--\r\n"


def _arriving(own: Settings, known: set[Path]) -> list[Path]:
    folders = set(own.scratch_path.glob("upload-*")) - known
    return [folder / "file" for folder in folders if (folder / "file").exists()]


def _hear(lines: Iterator[str], wanted: str) -> None:
    """Read on until something has been said."""
    assert any(wanted in line for line in lines), f"The stream ended without {wanted}."
