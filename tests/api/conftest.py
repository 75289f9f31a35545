"""A real API over HTTP, on a real Prefect server (SQLite) with a deployment of the pipeline's name, and no worker."""

import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, State, StateType
from pydantic import SecretStr

from api.app import create_app
from api.edge.connections import Connections
from data.database import Database
from data.domain.identity import Role
from data.domain.jobs import RESTS_LABEL
from data.domain.publications import Chapter, PublicationManifest
from data.domain.recipes import Recipe
from data.settings import ApiSettings, AuthSettings, IngestSettings, LimitSettings, Settings
from data.storage import ObjectStore, open_store
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.api.callers import Person, person
from tests.api.publishing import publish_video
from tests.fakes.catalogues import make_catalogue
from tests.fakes.deployments import register
from tests.fakes.processes import wait_until

MAX_UPLOAD_BYTES = 32 * 1024 * 1024
ROOMY = LimitSettings(
    reads="1000000/minute",
    searches="1000000/minute",
    writes="1000000/minute",
    uploads="1000000/minute",
    auth="1000000/minute",
    failures="1000000/minute",
)
"""For tests of anything but limits: all of them together come from one address."""


class Prefect:
    """The other side of the gateway: what workers and flows do, done by hand on the real server."""

    def __init__(self, client: SyncPrefectClient, deployment_id: uuid.UUID, other_id: uuid.UUID) -> None:
        self.client = client
        self.deployment_id = deployment_id
        self.other_id = other_id

    def force(self, run_id: str, state: State[Any]) -> None:
        """Put a run into a state, whatever Prefect's rules say."""
        self.client.set_flow_run_state(uuid.UUID(run_id), state, force=True)

    def start(self, run_id: str, times: int = 1) -> None:
        """Start a run, as a worker does; more than once as after crashes."""
        for _ in range(times):
            self.force(run_id, State(type=StateType.PENDING))
            self.force(run_id, State(type=StateType.RUNNING))

    def rest(self, run_id: str) -> None:
        """Say that the process of a paused run has stopped, as it does itself."""
        state = self.client.read_flow_run(uuid.UUID(run_id)).state
        assert state is not None
        self.client.update_flow_run_labels(uuid.UUID(run_id), {RESTS_LABEL: str(state.id)})

    def report(self, run_id: str, step: str, percent: float) -> None:
        """Say how far a step is, 0–100, as the steps do."""
        body = {"type": "progress", "data": percent, "description": step, "flow_run_id": run_id}
        self.client.request("POST", "/artifacts/", json=body)

    def log(self, run_id: str, *lines: tuple[float, int, str]) -> None:
        """Log lines, each at so many seconds, of a level, with a message."""
        base = datetime(2026, 1, 1, tzinfo=UTC)
        rows = [
            {
                "name": "prefect.flow_runs",
                "level": level,
                "message": message,
                "timestamp": (base + timedelta(seconds=at)).isoformat(),
                "flow_run_id": run_id,
            }
            for at, level, message in lines
        ]
        self.client.request("POST", "/logs/", json=rows)

    def feeds(self, batch_id: str) -> list[FlowRun]:
        """Return the runs that were made to feed a batch, oldest first."""
        wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=["dailies-batch", f"batch:{batch_id}"]))
        runs = self.client.read_flow_runs(flow_run_filter=wanted)
        return sorted(runs, key=lambda run: run.created or datetime.min.replace(tzinfo=UTC))

    def child_of(self, run_id: str) -> FlowRun:
        """Start a run of another deployment from inside a run, as the generate step does."""
        response = self.client.request(
            "POST",
            "/task_runs/",
            json={"flow_run_id": run_id, "task_key": "hand-over", "dynamic_key": uuid.uuid4().hex},
        )
        return self.client.create_flow_run_from_deployment(
            self.other_id, parameters={}, parent_task_run_id=uuid.UUID(response.json()["id"])
        )


@contextmanager
def with_deployments(server: Stack) -> Iterator[Prefect]:
    """Give a server the product's deployments, and a client until the block is left."""
    with SyncPrefectClient(server.prefect_api_url) as client:
        ids = register(client)
        yield Prefect(client, ids["process-asset/on-demand"], ids["generate-asset/on-demand"])


@pytest.fixture(scope="module")
def prefect(prefect_server: Stack) -> Iterator[Prefect]:
    with with_deployments(prefect_server) as prefect:
        yield prefect


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    (home / "media").mkdir()
    return Settings(
        home=home,
        ingest=IngestSettings(allowed_roots=[home / "media"]),
        api=ApiSettings(
            max_upload_bytes=MAX_UPLOAD_BYTES,
            read_cache_seconds=0,  # the tests change what Prefect says
            prefect_timeout_seconds=50,  # the tests of three workers write to its one SQLite file
        ),
        limits=ROOMY,
        _env_file=None,
    )


@pytest.fixture(scope="session")
def media_folder(settings: Settings) -> Path:
    return settings.home / "media"


@pytest.fixture(scope="session")
def database(settings: Settings) -> Iterator[Database]:
    make_catalogue(settings.catalogue_url)
    opened = Database(settings.catalogue_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def store(settings: Settings) -> ObjectStore:
    return open_store(settings.storage_url)


ServeApi = Callable[[Settings, str], str]


@pytest.fixture(scope="session")
def serve_api() -> Iterator[ServeApi]:
    """Return a function that serves an API in a thread and returns its address."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(settings: Settings, prefect_api_url: str) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        app = create_app(settings, prefect_api_url=prefect_api_url)
        connections: Any = Connections.of(settings.api)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", proxy_headers=False, http=connections))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        running.append((server, thread))
        wait_until(lambda: server.started, 30, "the API to start")
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for server, _ in running:
        server.should_exit = True
    for _, thread in running:
        thread.join(20)


@pytest.fixture(scope="session")
def api_url(serve_api: ServeApi, settings: Settings, database: Database, prefect_server: Stack) -> str:
    return serve_api(settings, prefect_server.prefect_api_url)


@pytest.fixture(scope="session")
def locked_url(serve_api: ServeApi, settings: Settings, database: Database, prefect_server: Stack) -> str:
    """The address of an API where everybody must log in, on the same catalogue."""
    auth = AuthSettings(required=True, secrets=[SecretStr("0123456789abcdef" * 3)])
    return serve_api(settings.model_copy(update={"auth": auth}), prefect_server.prefect_api_url)


@pytest.fixture(scope="session")
def people(locked_url: str, database: Database) -> dict[Role, Person]:
    """One of each role, logged in."""
    with httpx.Client(base_url=locked_url, timeout=60) as client:
        return {role: person(client, database, f"the-{role.value}", role) for role in Role}


@pytest.fixture(scope="module")
def api(api_url: str, prefect: Prefect) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api_url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def submit(api: httpx.Client, media_folder: Path) -> Callable[..., dict[str, Any]]:
    """Return a function that hands in a job and returns it."""

    def handed_in(**body: Any) -> dict[str, Any]:
        answer = api.post("/api/v1/jobs", json={"source": str(media_folder / "clip.mp4"), **body})
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    return handed_in


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, store: ObjectStore, database: Database) -> PublicationManifest:
    """A short video with sound, captions and chapters, really encoded and packaged, and published."""
    scratch = tmp_path_factory.mktemp("published")
    source = scratch / "source.mp4"
    # x264 spends few bits on the bars, and the moving counter makes every second look different.
    command = [find_tools().ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=24"]
    command += ["-f", "lavfi", "-i", "sine=frequency=330", "-t", "8", "-c:v", "libx264", "-preset", "ultrafast"]
    subprocess.run([*command, "-pix_fmt", "yuv420p", "-c:a", "aac", str(source)], check=True)
    return publish_video(
        source,
        scratch,
        store,
        database,
        title="Test <bars> & a tone",
        cues=[(0.2, 4.0, "It was the best of times"), (4.0, 7.8, "it was the worst of times")],
        chapters=(
            Chapter(start_seconds=0, end_seconds=3, title="Beginning"),
            Chapter(start_seconds=3, end_seconds=6, title="Middle"),
            Chapter(start_seconds=6, end_seconds=8, title="End"),
        ),
        recipe=Recipe().with_overrides(
            {
                "video.preset": "ultrafast",
                "preview": {"format": "gif", "seconds": 1, "width": 160},
                "audio.rendition": "mp3",
            }
        ),
    )
