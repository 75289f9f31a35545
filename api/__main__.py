"""``python -m api``: serve the API on this machine, with one process or several on one listening socket."""

import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.supervisors import Multiprocess

from api.edge.connections import Connections
from api.metrics.sharing import share_metrics
from api.production import UnsafeSettingsError, check_production
from api.starting import without_collection
from data.settings import ApiSettings, Settings, get_settings
from data.telemetry.logs import configure_logs

BACKLOG = 2048


def main() -> None:
    """Serve until a signal ends it.

    Where nobody needs to log in, the settings themselves refuse other hosts than the loopback; mode ``production``
    refuses more.
    """
    settings = get_settings()
    configure_logs(settings.log_format, settings.log_level)
    try:
        check_production(settings)
    except UnsafeSettingsError as error:
        raise SystemExit(str(error)) from error
    with listening(settings.api) as listener:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        count = settings.api.workers
        processes = f" with {count} processes" if count > 1 else ""
        logging.getLogger("api").info("Dailies API on http://%s:%d/api/v1%s", shown, port, processes)
        if count > 1:
            if settings.limits.storage is None:
                logging.getLogger("api").warning(
                    "Each process counts limits for itself: set DAILIES_LIMITS__STORAGE to a Redis that they share."
                )
            share_metrics(settings.home_path)
            Multiprocess(server_config(settings), sockets=[listener]).run()
            return
        server = uvicorn.Server(server_config(settings))
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(3)


def application() -> object:
    """Return the application of one of several processes; each is a new interpreter, and sets its log up as well."""
    with without_collection():
        from api.app import create_app

        return create_app()  # which sets up the log as well


def server_config(settings: Settings) -> uvicorn.Config:
    """Return how uvicorn serves: uvloop, httptools, and nobody believed who is not (``TrustedProxies`` looks to it)."""
    api = settings.api
    return uvicorn.Config(
        "api.__main__:application",
        factory=True,
        workers=api.workers,
        loop="uvloop",
        http=Connections.of(api),  # type: ignore[arg-type]
        ws="none",
        interface="asgi3",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        backlog=BACKLOG,
        timeout_keep_alive=75,  # longer than the 60 s of the usual balancers, which else meet a closed connection
        timeout_graceful_shutdown=api.stop_seconds,
    )


@contextmanager
def listening(settings: ApiSettings) -> Iterator[socket.socket]:
    """Listen where the settings say."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.set_inheritable(True)
        yield listener


if __name__ == "__main__":
    main()
