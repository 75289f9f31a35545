"""The API as a process would serve it, with our connections, in a thread; Prefect is away unless a test needs it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from api.__main__ import server_config
from api.app import create_app
from data.settings import ApiSettings, LimitSettings, Settings
from tests.fakes.catalogues import make_catalogue
from tests.fakes.processes import wait_until

Serve = Callable[..., str]


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = server_config(settings)
    config.app, config.factory = create_app(settings, prefect_api_url="http://127.0.0.1:1/api"), False
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, 30, "the API to start")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that serves an API with some settings of `api` and `limits`, and returns its address."""
    running: list[Any] = []

    def started(limits: LimitSettings | None = None, **api: Any) -> str:
        settings = Settings(
            home=tmp_path,
            api=ApiSettings(**api),
            limits=limits or LimitSettings(),
            _env_file=None,  # type: ignore[call-arg]
        )
        make_catalogue(settings.catalogue_url)
        context = serving(settings)
        address = context.__enter__()
        running.append(context)
        return address

    yield started
    for context in running:
        context.__exit__(None, None, None)
